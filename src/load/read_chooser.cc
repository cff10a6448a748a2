#include "load/read_chooser.h"

#include <utility>

#include "os/file_facts.h"
#include "os/host_facts.h"

namespace wpack::load {

ReadChooser::ReadChooser(const Engines& engines, ReadNeeds needs)
    : engines_(engines), tried_(engines.candidates.size()), needs_(std::move(needs)) {
  for (std::size_t number = 0; number < tried_.size(); ++number) {
    candidates_.push_back(
        {engines.candidates[number].name, [this, number] { return refusal_of(number); }});
  }
}

std::optional<Error> ReadChooser::refusal_of(std::size_t number) const {
  const std::lock_guard lock(trying_);
  Tried& engine = tried_[number];
  if (!engine.tried) {
    engine.refused = engines_.candidates[number].refusal();
    engine.tried = true;
  }
  return engine.refused;
}

const HostFacts& ReadChooser::host() const {
  std::call_once(looked_, [this] { host_ = os::host_facts(files_); });
  return host_;
}

HostFacts ReadChooser::host_with_engines() const {
  HostFacts facts = host();
  for (const EngineCandidate& engine : candidates_)
    facts.engines.push_back({engine.name, engine.refusal()});
  return facts;
}

ShardReading ReadChooser::choose(const os::File& file) const {
  ShardReading reading;
  reading.file = os::file_facts(files_, file.fd(), file.name());
  // Without it, the type of the file system is not as exact as profiles have it.
  if (needs_.profile) add_mount(file, reading);
  reading.choice = choose_reading(host(), reading.file, needs_, candidates_);
  return reading;
}

void ReadChooser::choose_without_mapping(ShardReading& reading, const Error& refused) const {
  ReadNeeds needs = needs_;
  needs.mapping_refused = refused.message();
  reading.choice = choose_reading(host(), reading.file, needs, candidates_);
}

ReadChoice ReadChooser::choose_copy(const FileFacts& file) const {
  ReadNeeds needs = needs_;
  needs.destination = Destination::kCaller;
  return choose_reading(host(), file, needs, candidates_);
}

void ReadChooser::add_mount(const os::File& file, ShardReading& reading) const {
  os::add_mount(files_, file.fd(), reading.file);
}

}  // namespace wpack::load
