// The composition root of reading: which engines a container is opened with.
#include <limits>

#include "load/open_container.h"
#include "wpack/container.h"

namespace wpack {
namespace {

// Enough requests in flight to keep one disk busy; each loading thread has an engine of its own.
constexpr std::uint32_t kReaderThreads = 4;

}  // namespace

Result<Container> Container::open(const std::string& path, const OpenOptions& options) {
  load::Engines engines;
  engines.make_reader = [] { return make_pread_reader(kReaderThreads); };
  engines.pool = make_host_pool(std::numeric_limits<std::uint64_t>::max());
  return load::open_container(path, options, std::move(engines));
}

}  // namespace wpack
