#include "os/file_facts.h"
#include "os/host_facts.h"
#include "wpack/host.h"

namespace wpack {

Result<HostReport> inspect_host(const std::string& path) {
  const os::SystemFiles files;
  WPACK_ASSIGN(FileFacts file, os::path_facts(files, path));
  HostReport report{.host = os::host_facts(files), .file = std::move(file)};
  report.host.engines = probe_engines();
  return report;
}

}  // namespace wpack
