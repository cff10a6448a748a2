// What statx(2) tells beyond stat(2).
#pragma once

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

namespace wpack::os {

// Its answer, by the offsets of its ABI: the C library's headers lack members that the
// kernel has had since Linux 5.8 and 6.1.
class ExtendedStatus {
 public:
  static constexpr std::uint32_t kMountId = 0x1000;
  static constexpr std::uint32_t kDirectAlignment = 0x2000;

  [[nodiscard]] static std::optional<ExtendedStatus> of(int fd) {
    ExtendedStatus status;
    const long result = ::syscall(SYS_statx, fd, "", AT_EMPTY_PATH, kMountId | kDirectAlignment,
                                  status.bytes_.data());
    if (result != 0) return std::nullopt;
    return status;
  }

  // True if the kernel filled the members of `mask` in.
  [[nodiscard]] bool has(std::uint32_t mask) const {
    return (member<std::uint32_t>(0) & mask) != 0;
  }
  [[nodiscard]] std::uint64_t mount_id() const { return member<std::uint64_t>(0x90); }
  [[nodiscard]] std::uint32_t memory_alignment() const { return member<std::uint32_t>(0x98); }
  [[nodiscard]] std::uint32_t offset_alignment() const { return member<std::uint32_t>(0x9C); }

 private:
  template <typename T>
  [[nodiscard]] T member(std::size_t offset) const {
    T value{};
    std::memcpy(&value, bytes_.data() + offset, sizeof value);
    return value;
  }

  alignas(8) std::array<std::byte, 256> bytes_{};
};

}  // namespace wpack::os
