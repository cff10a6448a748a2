// How to read a shard: a pure function of facts and needs. Nothing here asks the system anything.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "load/read_case.h"
#include "load/thread_plan.h"
#include "wpack/explain.h"
#include "wpack/host.h"

namespace wpack::load {

// Pages are faulted in piece by piece, so that a load can be stopped in between, and so that
// several threads can share it.
inline constexpr std::uint64_t kReadInPieceSize = std::uint64_t{8} << 20;

// An engine, and how to find out whether it works here: which can take 50 ms, so that it is asked
// only where it matters.
struct EngineCandidate {
  std::string_view name;  // as AsyncReader::name() says it; never dangles
  // Returns why it does not work here; nothing if it does. The same answer every time.
  std::function<std::optional<Error>()> refusal;
};

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
