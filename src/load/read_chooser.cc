#include "load/read_chooser.h"

#include "os/file_facts.h"
#include "os/host_facts.h"

namespace wpack::load {

const HostFacts& ReadChooser::host() const {
  std::call_once(looked_, [this] {
    HostFacts facts = os::host_facts(files_);
    facts.engines = engines_.probe();
    host_ = std::move(facts);
  });
  return host_;
}

ShardReading ReadChooser::choose(const os::File& file) const {
  ShardReading reading;
  reading.file = os::file_facts(files_, file.fd(), file.name());
  // Without it, the type of the file system is not as exact as profiles have it.
  if (needs_.profile) add_mount(file, reading);
  reading.choice = choose_reading(host(), reading.file, needs_);
  return reading;
}

void ReadChooser::choose_without_mapping(ShardReading& reading, const Error& refused) const {
  ReadNeeds needs = needs_;
  needs.mapping_refused = refused.message();
  reading.choice = choose_reading(host(), reading.file, needs);
}

void ReadChooser::add_mount(const os::File& file, ShardReading& reading) const {
  os::add_mount(files_, file.fd(), reading.file);
}

}  // namespace wpack::load
