// What the policy of reading looks at: facts of a host and a file, what is needed of them, and the
// same in words.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "wpack/container.h"
#include "wpack/explain.h"
#include "wpack/host.h"
#include "wpack/read_profile.h"

namespace wpack::load {

// Who has the bytes in the end: handles to the container, or memory that its caller named, such as
// that of a device.
enum class Destination { kHandles, kCaller };

// What the caller of a container asked for, and what it holds.
struct ReadNeeds {
  std::uint64_t bytes = 0;       // stored bytes of all shards: what memory should hold in the end
  bool coded = false;            // extents have to be decoded: their bytes are no tensor's
  bool checked_at_open = false;  // VerifyPolicy::kFull has read every byte already
  AccessMode access = AccessMode::kAuto;
  std::optional<std::uint64_t> memory_budget = std::nullopt;  // bytes of private memory
  Destination destination = Destination::kHandles;
  std::string mapping_refused = "";  // the kernel's answer where mapping was tried; else empty
  std::optional<ReadProfile> profile = std::nullopt;  // for reads of cold bytes, where it fits
};

// Share of a file from which on it counts as being in the page cache.
inline constexpr double kWarmShare = 0.95;

// Refers to what it is made of.
struct ReadCase {
  const HostFacts& host;
  const FileFacts& file;
  const ReadNeeds& needs;

  [[nodiscard]] FileSystemKind kind() const noexcept;
  [[nodiscard]] bool is_remote() const noexcept;
  // Its bytes are in the page cache.
  [[nodiscard]] bool is_warm() const noexcept;
  // They are in memory, or were a moment ago.
  [[nodiscard]] bool is_in_memory() const noexcept;
  // Bytes that the host and this process's control group still have; nothing if nobody knows.
  [[nodiscard]] std::optional<std::uint64_t> available_memory() const;
};

// Returns what speaks for reading by `method`.
[[nodiscard]] std::vector<std::string> reasons_for(ReadMethod method, const ReadCase& read_case);

// "16 MiB", "512 bytes".
[[nodiscard]] std::string size_text(std::uint64_t bytes);

}  // namespace wpack::load
