// How to read a shard: a pure function of facts and needs. Nothing here asks the system anything.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
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

// Pages are faulted in piece by piece, so that a load can be stopped in between, and so that
// several threads can share it.
inline constexpr std::uint64_t kReadInPieceSize = std::uint64_t{8} << 20;

// Share of a file from which on it counts as being in the page cache.
inline constexpr double kWarmShare = 0.95;

// An engine, and how to find out whether it works here: which can take 50 ms, so that it is asked
// only where it matters.
struct EngineCandidate {
  std::string_view name;  // as AsyncReader::name() says it; never dangles
  // Returns why it does not work here; nothing if it does. The same answer every time.
  std::function<std::optional<Error>()> refusal;
};

// How many threads bring mapped bytes in. Each maps the pages that it has brought in, which is work
// for a processor; a second one pays even so, as it reads while the first one maps
// (format/decisions/0008).
[[nodiscard]] std::uint32_t read_in_threads(const HostFacts& host) noexcept;

// What the first touch of the host's fresh memory costs, by a profile of this place, and how many
// threads fault such memory in ahead of the one that fills it: where that is known, no more than it
// takes to clear memory faster than it is filled (format/decisions/0010).
struct FirstTouchPlan {
  std::uint32_t threads = 0;
  std::optional<std::uint64_t> cost = std::nullopt;  // nanoseconds for each 2^20 bytes
};
[[nodiscard]] FirstTouchPlan plan_first_touch(const HostFacts& host, const FileFacts& file,
                                              const std::optional<ReadProfile>& profile);

// Never fails: where everything is refused, the choice is what can at least say so when it is used.
// `engines`: the best first; HostFacts::engines is not looked at.
[[nodiscard]] ReadChoice choose_reading(const HostFacts& host, const FileFacts& file,
                                        const ReadNeeds& needs,
                                        std::span<const EngineCandidate> engines);
// The same with HostFacts::engines.
[[nodiscard]] ReadChoice choose_reading(const HostFacts& host, const FileFacts& file,
                                        const ReadNeeds& needs);

// Returns the engines to take, the best first, once the one of `choice` turns out not to work: what
// it passed over for lack is not tried again, and pread, which needs nothing of the host, ends
// them.
[[nodiscard]] std::vector<std::string> engines_after(const ReadChoice& choice,
                                                     std::span<const EngineCandidate> engines);

}  // namespace wpack::load
