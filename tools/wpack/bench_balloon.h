// Whether free memory stays with this machine.
#pragma once

#include <string>

namespace wpack::cli {

// Returns true if this is a virtual machine whose host takes free pages back by itself, so that
// touching them again costs a fault of the host too: a virtio memory balloon (Virtual I/O Device
// 1.2, section 5.5) with the feature VIRTIO_BALLOON_F_REPORTING. Other hypervisors' balloons are
// not known here. `devices` is where the kernel lists virtio devices.
[[nodiscard]] bool host_takes_pages_back(const std::string& devices = "/sys/bus/virtio/devices");

}  // namespace wpack::cli
