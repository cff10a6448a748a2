// Hosts, files and needs for the policy of reading, and ways in which they differ.
#pragma once

#include <gmock/gmock.h>

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "load/engine_policy.h"

namespace wpack::load {

inline constexpr std::uint64_t kMebibyte = std::uint64_t{1} << 20;
inline constexpr std::uint64_t kGibibyte = std::uint64_t{1} << 30;

inline Error refusal(const char* reason) { return {ErrorCode::kUnsupportedHost, reason}; }

// A file, a host and needs: cold RAW bytes on a disk, memory enough, every engine.
struct Situation {
  HostFacts host;
  FileFacts file;
  ReadNeeds needs;

  Situation() {
    host.kernel = "6.1";
    host.usable_cpus = 8U;
    host.available_memory = 64 * kGibibyte;
    host.cgroup_memory = std::optional<CgroupMemory>();
    host.engines = {{"io_uring", std::nullopt}, {"libaio", std::nullopt}, {"pread", std::nullopt}};
    file.size = 4 * kGibibyte;
    file.file_system = FileSystemInfo{"ext4", FileSystemKind::kLocal};
    file.device_number = "8:0";
    file.device = BlockDeviceInfo{.number = "8:0", .logical_block_size = 512};
    file.direct_alignment = DirectAlignment{.offset = 512, .memory = 4};
    file.resident = std::uint64_t{0};
    needs.bytes = 8 * kGibibyte;
  }
};

using Change = std::function<void(Situation&)>;

inline Change together(std::vector<Change> changes) {
  return [changes = std::move(changes)](Situation& situation) {
    for (const Change& change : changes) change(situation);
  };
}
inline Change on(FileSystemKind kind) {
  return [kind](Situation& s) { s.file.file_system = FileSystemInfo{"some", kind}; };
}
inline Change processors(std::uint32_t count) {
  return [count](Situation& s) { s.host.usable_cpus = count; };
}
inline Change quota(double count) {
  return [count](Situation& s) { s.host.cpu_quota = std::optional<double>(count); };
}
inline Change aio(std::uint64_t reserved, std::uint64_t limit) {
  return [=](Situation& s) { s.host.aio_requests = AioRequests{reserved, limit}; };
}
inline void no_reading_in(Situation& s) { s.host.reads_mappings_in = false; }
inline Change resident(double share) {
  return [share](Situation& s) {
    s.file.resident = static_cast<std::uint64_t>(share * static_cast<double>(s.file.size));
  };
}
inline Change access(AccessMode mode) {
  return [mode](Situation& s) { s.needs.access = mode; };
}
inline Change budget(std::uint64_t bytes) {
  return [bytes](Situation& s) { s.needs.memory_budget = bytes; };
}
inline Change available(std::uint64_t bytes) {
  return [bytes](Situation& s) { s.host.available_memory = bytes; };
}
inline Change engines(std::vector<EngineProbe> probes) {
  return [probes = std::move(probes)](Situation& s) { s.host.engines = probes; };
}
inline Change cgroup(std::uint64_t limit, std::uint64_t usage, std::uint64_t reclaimable) {
  return [=](Situation& s) {
    s.host.cgroup_memory =
        std::optional<CgroupMemory>(CgroupMemory{"/g", limit, usage, reclaimable});
  };
}
inline void coded(Situation& s) { s.needs.coded = true; }
inline void device(Situation& s) { s.needs.destination = Destination::kCaller; }
inline void checked(Situation& s) { s.needs.checked_at_open = true; }
inline void mapping_refused(Situation& s) { s.needs.mapping_refused = "map of 4 bytes failed"; }
inline void rotational(Situation& s) { s.file.device->rotational = true; }
inline void nothing_known(Situation& s) {
  s.host = HostFacts();
  s.file = FileFacts();
  s.host.engines = {{"pread", std::nullopt}};
  s.file.size = 4 * kGibibyte;
}
inline void no_engine(Situation& s) {
  for (EngineProbe& probe : s.host.engines) probe.refused = refusal("seccomp");
}
inline void no_direct_input(Situation& s) { s.file.direct_alignment = refusal("no direct input"); }
inline void coarse_alignment(Situation& s) {
  s.file.direct_alignment = DirectAlignment{.offset = 65536, .memory = 4};
}

inline ReadProfile profile_of_the_disk() {
  return {.kernel = "6.1",
          .device = "8:0",
          .file_system = "ext4",
          .direct = ReadShape{"libaio", kMebibyte, 8},
          .buffered = ReadShape{"pread", 4 * kMebibyte, 2}};
}
inline void tuned(Situation& s) { s.needs.profile = profile_of_the_disk(); }
inline Change tuned_to(std::function<void(ReadProfile&)> change) {
  return [change = std::move(change)](Situation& s) {
    s.needs.profile = profile_of_the_disk();
    change(*s.needs.profile);
  };
}
inline Change engine_refused(std::string_view name) {
  return [name](Situation& s) {
    for (EngineProbe& probe : s.host.engines)
      if (probe.name == name) probe.refused = refusal("seccomp");
  };
}

inline ReadChoice choose(const Change& change) {
  Situation situation;
  change(situation);
  return choose_reading(situation.host, situation.file, situation.needs);
}

inline auto refuses(const std::string& what, const std::string& reason) {
  return ::testing::Contains(
      ::testing::AllOf(::testing::Field("what", &Refusal::what, what),
                       ::testing::Field("reason", &Refusal::reason, ::testing::HasSubstr(reason))));
}

}  // namespace wpack::load
