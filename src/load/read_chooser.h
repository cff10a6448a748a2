// Choosing how the shards of one container are read: gathers the facts, and asks the policy.
#pragma once

#include <cstddef>
#include <mutex>
#include <optional>
#include <vector>

#include "load/engine_policy.h"
#include "load/engines.h"
#include "os/file.h"
#include "os/system_files.h"
#include "wpack/explain.h"

namespace wpack::load {

// How one shard is read, and what that was chosen from.
struct ShardReading {
  FileFacts file;
  ReadChoice choice;
};

// True if `method` ends with a view of the page cache.
[[nodiscard]] constexpr bool maps(ReadMethod method) noexcept {
  return method == ReadMethod::kMap || method == ReadMethod::kReadInAndMap;
}

// Thread safety: all functions, from several threads at once.
class ReadChooser {
 public:
  // `engines` outlives the chooser.
  ReadChooser(const Engines& engines, ReadNeeds needs);

  // Looks at `file` and, the first time, at the host.
  [[nodiscard]] ShardReading choose(const os::File& file) const;
  // Chooses once more, after the kernel has refused to map the file.
  void choose_without_mapping(ShardReading& reading, const Error& refused) const;
  // Chooses how bytes of which `file` tells are copied to memory that the caller chose.
  [[nodiscard]] ReadChoice choose_copy(const FileFacts& file) const;
  // How fresh memory for bytes of `file` is faulted in.
  [[nodiscard]] FirstTouchPlan first_touch(const FileFacts& file) const {
    return plan_first_touch(host(), file, needs_.profile);
  }
  // Adds the fact that no choice needs, and that costs more than the others.
  void add_mount(const os::File& file, ShardReading& reading) const;

  // The host as it was when it was first asked for, without its engines; and with all of them,
  // which are tried for it.
  [[nodiscard]] const HostFacts& host() const;
  [[nodiscard]] HostFacts host_with_engines() const;
  [[nodiscard]] bool must_map() const noexcept { return needs_.access == AccessMode::kMap; }

 private:
  // What is known of a candidate.
  struct Tried {
    bool tried = false;
    std::optional<Error> refused;
  };
  [[nodiscard]] std::optional<Error> refusal_of(std::size_t number) const;

  const Engines& engines_;
  std::vector<EngineCandidate> candidates_;  // of engines_, each asked once
  mutable std::mutex trying_;
  mutable std::vector<Tried> tried_;
  const ReadNeeds needs_;
  const os::SystemFiles files_;
  mutable std::once_flag looked_;
  mutable HostFacts host_;  // constant once looked_ is set
};

}  // namespace wpack::load
