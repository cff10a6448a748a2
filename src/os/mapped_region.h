// A read-only mapping of the front of a file.
#pragma once

#include <cstdint>

#include "wpack/error.h"
#include "wpack/types.h"

namespace wpack::os {

// Move-only; unmaps itself. Thread safety: const members, from several threads at once.
class MappedRegion {
 public:
  MappedRegion() = default;
  MappedRegion(MappedRegion&& other) noexcept;
  MappedRegion& operator=(MappedRegion&& other) noexcept;
  MappedRegion(const MappedRegion&) = delete;
  MappedRegion& operator=(const MappedRegion&) = delete;
  ~MappedRegion();

  // Maps [0, size) of `fd`, shared and read-only. Errors: kUnsupportedHost (the file system or a
  // limit refuses, with errno), kInvalidArgument (size is 0).
  [[nodiscard]] static Result<MappedRegion> map(int fd, std::uint64_t size);

  [[nodiscard]] Bytes bytes() const noexcept { return bytes_; }

  // Faults the pages of `range` in, reading what is not in memory, and waits for it. An unreadable
  // page is kIo (from Linux 5.14; older kernels are only given a hint). `range` is clipped to the
  // mapping and widened to pages.
  [[nodiscard]] Status populate(ByteRange range) const;
  // True if populate() waits and reports, false if this kernel takes it as a hint.
  [[nodiscard]] static bool can_populate() noexcept;
  // Reads one byte of every page of `range`, which is clipped to the mapping. In a virtual machine
  // the first access to a page that is in memory may still fault in the host, which populate() does
  // not take. As at any access to a mapping, a page that cannot be read ends the process: populate
  // first.
  void touch(ByteRange range) const noexcept;
  // Asks the kernel to read `range` ahead, without waiting. A hint.
  void will_need(ByteRange range) const noexcept;
  // Gives the whole pages inside `range` back; a later touch reads them again. A hint.
  void dont_need(ByteRange range) const noexcept;

 private:
  explicit MappedRegion(Bytes bytes) : bytes_(bytes) {}
  Bytes bytes_;
};

}  // namespace wpack::os
