#include "os/host_facts.h"

#include <fmt/format.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <memory>

#include "os/cgroup.h"
#include "os/mapped_region.h"
#include "os/os_error.h"
#include "os/system_text.h"
#include "wpack/text.h"

namespace wpack::os {
namespace {

// A file that does not read as it should.
Error unreadable(std::string_view path, std::string_view text) {
  return {ErrorCode::kUnsupportedHost, fmt::format("{}: '{}' is not understood", escape_name(path),
                                                   escape_name(trimmed(text), 64))};
}

Fact<std::string> kernel_release() {
  utsname names{};
  if (::uname(&names) != 0) return os_error(errno, "uname", "kernel");
  return std::string(names.release);
}

// A mask that the kernel finds too small is refused, so it grows until it fits.
Fact<std::uint32_t> count_usable_cpus() {
  for (int cpus = 1024; cpus <= 1 << 20; cpus *= 4) {
    const auto free_mask = [](cpu_set_t* mask) { CPU_FREE(mask); };
    const std::unique_ptr<cpu_set_t, decltype(free_mask)> mask(CPU_ALLOC(cpus), free_mask);
    if (mask == nullptr) break;
    const std::size_t size = CPU_ALLOC_SIZE(cpus);
    if (::sched_getaffinity(0, size, mask.get()) == 0)
      return static_cast<std::uint32_t>(CPU_COUNT_S(size, mask.get()));
    if (errno != EINVAL) return os_error(errno, "sched_getaffinity", "this thread");
  }
  return Error(ErrorCode::kUnsupportedHost, "sched_getaffinity: no mask is large enough");
}

template <typename Resource>
Fact<std::optional<std::uint64_t>> resource_limit(Resource resource, std::string_view name) {
  rlimit limit{};
  if (::getrlimit(resource, &limit) != 0) return os_error(errno, "getrlimit", name);
  if (limit.rlim_cur == RLIM_INFINITY) return std::optional<std::uint64_t>();
  return std::optional<std::uint64_t>(limit.rlim_cur);
}

Fact<std::uint64_t> read_number(const SystemFiles& files, std::string_view path) {
  WPACK_ASSIGN(const std::string text, files.read(path));
  const auto value = parse_number(text);
  if (!value) return unreadable(path, text);
  return *value;
}

Fact<std::uint64_t> read_meminfo(const SystemFiles& files, std::string_view key) {
  WPACK_ASSIGN(const std::string text, files.read("/proc/meminfo"));
  const auto value = find_meminfo(text, key);
  if (!value) {
    return Error(ErrorCode::kUnsupportedHost, fmt::format("/proc/meminfo: has no {} that is "
                                                          "understood",
                                                          key));
  }
  return *value;
}

Fact<std::string> transparent_huge_pages(const SystemFiles& files) {
  constexpr std::string_view kPath = "/sys/kernel/mm/transparent_hugepage/enabled";
  WPACK_ASSIGN(const std::string text, files.read(kPath));
  const auto word = selected_word(text);
  if (!word) return unreadable(kPath, text);
  return std::string(*word);
}

Fact<HugePagePool> huge_page_pool(const SystemFiles& files) {
  HugePagePool pool;
  WPACK_ASSIGN(pool.free_count, read_meminfo(files, "HugePages_Free"));
  WPACK_ASSIGN(pool.page_size, read_meminfo(files, "Hugepagesize"));
  return pool;
}

Fact<AioRequests> aio_requests(const SystemFiles& files) {
  AioRequests requests;
  WPACK_ASSIGN(requests.reserved, read_number(files, "/proc/sys/fs/aio-nr"));
  WPACK_ASSIGN(requests.limit, read_number(files, "/proc/sys/fs/aio-max-nr"));
  return requests;
}

Fact<CgroupPath> cgroup_of(const SystemFiles& files, std::string_view controller) {
  WPACK_ASSIGN(const std::string groups, files.read("/proc/self/cgroup"));
  WPACK_ASSIGN(const std::string mounts, files.read("/proc/self/mountinfo"));
  auto path = find_cgroup(parse_cgroups(groups), parse_mountinfo(mounts), controller);
  if (!path) {
    return Error(ErrorCode::kUnsupportedHost,
                 fmt::format("no file system with the {} control groups is mounted", controller));
  }
  return *std::move(path);
}

// What the files are called in each version.
struct MemoryFileNames {
  std::string_view limit;
  std::string_view usage;
  std::string_view reclaimable;  // the key in memory.stat
};
constexpr MemoryFileNames kMemoryFiles[] = {
    {"/memory.limit_in_bytes", "/memory.usage_in_bytes", "total_inactive_file"},
    {"/memory.max", "/memory.current", "inactive_file"},
};

// The limit of one group. Groups without the file have none: the controller is off there, or it is
// the root of version 2.
Fact<std::optional<CgroupMemory>> memory_of(const SystemFiles& files, const std::string& directory,
                                            const MemoryFileNames& names) {
  const std::string limit_path = directory + std::string(names.limit);
  const auto text = files.read(limit_path);
  if (!text && text.error().system_errno() == ENOENT) return std::optional<CgroupMemory>();
  if (!text) return text.error();
  const auto limit = parse_memory_limit(*text);
  if (!limit) return unreadable(limit_path, *text);
  if (!*limit) return std::optional<CgroupMemory>();
  CgroupMemory memory{.directory = directory, .limit = **limit};
  WPACK_ASSIGN(memory.usage, read_number(files, directory + std::string(names.usage)));
  // It only refines the answer.
  if (const auto stat = files.read(directory + "/memory.stat"))
    memory.reclaimable = find_number(*stat, names.reclaimable).value_or(0);
  return std::optional<CgroupMemory>(std::move(memory));
}

Fact<std::optional<CgroupMemory>> tightest_memory(const SystemFiles& files) {
  WPACK_ASSIGN(const CgroupPath path, cgroup_of(files, "memory"));
  std::optional<CgroupMemory> tightest;
  for (const std::string& directory : path.directories) {
    WPACK_ASSIGN(auto memory, memory_of(files, directory, kMemoryFiles[path.version - 1]));
    if (memory && (!tightest || memory->available() < tightest->available()))
      tightest = std::move(memory);
  }
  return tightest;
}

Fact<std::optional<double>> cpu_quota_of(const SystemFiles& files, const std::string& directory,
                                         int version) {
  const std::string path = directory + (version == 1 ? "/cpu.cfs_quota_us" : "/cpu.max");
  const auto text = files.read(path);
  if (!text && text.error().system_errno() == ENOENT) return std::optional<double>();
  if (!text) return text.error();
  std::optional<std::optional<double>> quota;
  if (version == 1) {
    WPACK_ASSIGN(const std::string period, files.read(directory + "/cpu.cfs_period_us"));
    quota = parse_cfs_quota(*text, period);
  } else {
    quota = parse_cpu_max(*text);
  }
  if (!quota) return unreadable(path, *text);
  return *quota;
}

Fact<std::optional<double>> tightest_cpu_quota(const SystemFiles& files) {
  WPACK_ASSIGN(const CgroupPath path, cgroup_of(files, "cpu"));
  std::optional<double> tightest;
  for (const std::string& directory : path.directories) {
    WPACK_ASSIGN(const auto quota, cpu_quota_of(files, directory, path.version));
    if (quota && (!tightest || *quota < *tightest)) tightest = quota;
  }
  return tightest;
}

}  // namespace

HostFacts host_facts(const SystemFiles& files) {
  HostFacts facts;
  facts.kernel = kernel_release();
  facts.usable_cpus = count_usable_cpus();
  facts.cpu_quota = tightest_cpu_quota(files);
  facts.available_memory = read_meminfo(files, "MemAvailable");
  facts.cgroup_memory = tightest_memory(files);
  facts.locked_memory_limit = resource_limit(RLIMIT_MEMLOCK, "RLIMIT_MEMLOCK");
  facts.open_file_limit = resource_limit(RLIMIT_NOFILE, "RLIMIT_NOFILE");
  facts.transparent_huge_pages = transparent_huge_pages(files);
  facts.huge_page_pool = huge_page_pool(files);
  facts.aio_requests = aio_requests(files);
  facts.reads_mappings_in = MappedRegion::can_populate();
  return facts;
}

}  // namespace wpack::os
