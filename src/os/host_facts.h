// What the kernel tells about the host and about the limits of this process.
#pragma once

#include "os/system_files.h"
#include "wpack/host.h"

namespace wpack::os {

// Looks at everything in HostFacts but its engines. Never fails: what cannot be found out says why.
[[nodiscard]] HostFacts host_facts(const SystemFiles& files);

}  // namespace wpack::os
