// How payload is read, chosen from facts (wpack/host.h), with the reasons.
//
//   auto explanation = wpack::explain(container);
//   for (const wpack::ShardExplanation& shard : explanation->shards)
//     for (const std::string& reason : shard.choice.reasons) log(shard.name, reason);
//
// A host that lacks something is no failure: the next best way is taken, and `refused` says why.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wpack/container.h"
#include "wpack/error.h"
#include "wpack/export.h"
#include "wpack/host.h"
#include "wpack/read_profile.h"

namespace wpack {

enum class ReadMethod {
  kMap,           // a view of the page cache, which page faults fill where it is not there
  kReadInAndMap,  // the same, after several threads have read what is wanted into the page cache
  kDirect,        // into private memory, past the page cache
  kBuffered,      // into private memory, through the page cache, by large reads side by side
};
// Returns a fixed lower-case text for `method`, such as "read in and map". Never fails.
[[nodiscard]] WPACK_EXPORT std::string_view to_string(ReadMethod method) noexcept;

// A method, an engine or "profile" that would have come first, and why it was not taken.
struct Refusal {
  std::string what;
  std::string reason;
  // True: this host or file lacks it, and whoever uses the choice counts that
  // (AccessStats::fallbacks). False: it would work, and not as well.
  bool missing = false;
  friend bool operator==(const Refusal&, const Refusal&) = default;
};

struct ReadChoice {
  ReadMethod method = ReadMethod::kMap;
  // As AsyncReader::name() says it; empty where the kernel itself reads, for a mapping.
  std::string engine;
  std::uint64_t block_size = 0;  // bytes of one request; 0 where the kernel decides
  std::uint32_t depth = 0;       // requests in flight, or threads; 0 where the kernel decides
  std::optional<DirectAlignment> direct = std::nullopt;  // of direct reads: what they keep
  // Of reads into private memory of wpack's own: threads that fault fresh memory in ahead of them,
  // and what that costs one thread by the profile (FirstTouch), in nanoseconds for each 2^20 bytes.
  std::uint32_t fault_threads = 0;
  std::optional<std::uint64_t> first_touch = std::nullopt;
  std::vector<std::string> reasons = {};
  std::vector<Refusal> refused = {};  // in the order in which they were tried
};

struct ShardExplanation {
  std::string name;     // file name in the container's directory
  bool in_use = false;  // true: what its first use chose; false: what it would choose now
  FileFacts file;
  ReadChoice choice;
  // How a transfer (wpack/transfer.h) of all its bytes would read them now. One transfer reads in
  // one way: shards that differ are read through the page cache, and so is what direct reads cannot
  // bring to its place, which AccessStats::fallbacks counts.
  ReadChoice transfer;
};

struct Explanation {
  HostFacts host;
  std::optional<ReadProfile> profile;    // OpenOptions::profile, followed or not
  std::vector<ShardExplanation> shards;  // by number
};

// Says how each shard is, or would be, brought into memory. Opens shards that are not in use and
// reads no payload. Errors: kIo, kBadInput (a shard cannot be opened). Thread safety: any thread.
[[nodiscard]] WPACK_EXPORT Result<Explanation> explain(const Container& container);
// Says what explain() would say if the container at `path` were opened with `options`, also of
// VerifyPolicy::kFull, without checking or reading payload. Errors: those of explain() and
// Container::open.
[[nodiscard]] WPACK_EXPORT Result<Explanation> explain(const std::string& path,
                                                       const OpenOptions& options);

// Returns what would be chosen for all bytes of the file in `report`, if it were the only shard of
// a container that was opened with `profile`. Pure. Thread safety: any thread.
[[nodiscard]] WPACK_EXPORT ReadChoice
choose_reading(const HostReport& report, const std::optional<ReadProfile>& profile = std::nullopt);

}  // namespace wpack
