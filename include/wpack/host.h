// Facts about the host and about files, as far as they decide how weights are read.
//
// Every fact is optional: what cannot be found out holds the reason instead, and ends nothing.
// Sizes are bytes. Facts are of the moment at which they were asked for.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wpack/async_reader.h"
#include "wpack/error.h"
#include "wpack/export.h"

namespace wpack {

// A value, or why it cannot be known: data, not a failure.
template <typename T>
using Fact = Result<T>;

// What every fact is before somebody has looked.
inline Error not_looked_at() { return {ErrorCode::kUnsupportedHost, "nobody has looked at it"}; }

// Of this process's memory control group and the groups around it, the one that leaves least.
struct CgroupMemory {
  std::string directory;  // where the kernel shows the group; holds what its creator called it
  std::uint64_t limit = 0;
  std::uint64_t usage = 0;        // page cache included
  std::uint64_t reclaimable = 0;  // of that, page cache that nobody has used lately

  // What may still be allocated. Never negative.
  [[nodiscard]] std::uint64_t available() const noexcept {
    const std::uint64_t held = usage > reclaimable ? usage - reclaimable : 0;
    return limit > held ? limit - held : 0;
  }
};

// The pool of huge pages that an administrator has set aside.
struct HugePagePool {
  std::uint64_t free_count = 0;
  std::uint64_t page_size = 0;
};

// Requests that libaio's contexts reserve, of all processes together.
struct AioRequests {
  std::uint64_t reserved = 0;
  std::uint64_t limit = 0;
};

// What is the same for every file. Of a limit, nullopt means that there is none.
struct HostFacts {
  Fact<std::string> kernel = not_looked_at();               // "6.1.0-18-amd64"
  Fact<std::uint32_t> usable_cpus = not_looked_at();        // by affinity
  Fact<std::optional<double>> cpu_quota = not_looked_at();  // of cgroups, in processors
  Fact<std::uint64_t> available_memory = not_looked_at();   // of the whole host
  Fact<std::optional<CgroupMemory>> cgroup_memory = not_looked_at();
  Fact<std::optional<std::uint64_t>> locked_memory_limit = not_looked_at();
  Fact<std::optional<std::uint64_t>> open_file_limit = not_looked_at();
  Fact<std::string> transparent_huge_pages = not_looked_at();  // "always", "madvise" or "never"
  Fact<HugePagePool> huge_page_pool = not_looked_at();
  Fact<AioRequests> aio_requests = not_looked_at();
  // Mapped pages are brought in when the kernel is asked to, and waited for (from Linux 5.14).
  Fact<bool> reads_mappings_in = not_looked_at();
  std::vector<EngineProbe> engines;  // as probe_engines() returns them
};

// What stands behind a file system, as far as reading differs by it.
enum class FileSystemKind {
  kLocal,    // a disk of this host, or a virtual one
  kMemory,   // files are memory already
  kNetwork,  // a server
  kFuse,     // a process; often a network behind it
  kOverlay,  // layers of other file systems
  kUnknown,
};
// Returns a fixed lower-case word for `kind`, such as "network". Never fails.
[[nodiscard]] WPACK_EXPORT std::string_view to_string(FileSystemKind kind) noexcept;

struct FileSystemInfo {
  std::string type;  // as the kernel names it: "ext4", "fuse.sshfs"; or "0x1234", its magic number
  FileSystemKind kind = FileSystemKind::kUnknown;
};

// Names in it may hold anything: escape them for a terminal.
struct MountInfo {
  std::string point;
  std::string source;   // the device, the server's export, or a word
  std::string options;  // "rw,relatime"
};

struct BlockDeviceInfo {
  std::string number;  // "254:0"
  std::uint64_t logical_block_size = 0;
  bool rotational = false;
};

// What is known of one file, or of a directory (which has no bytes, alignment or residency).
struct FileFacts {
  std::string path;        // as it was given: escape it for a terminal
  std::uint64_t size = 0;  // 0 for a directory
  Fact<FileSystemInfo> file_system = not_looked_at();
  Fact<MountInfo> mount = not_looked_at();
  // Of the file system, as stat(2) tells it: "254:0". Where no disk is behind it, too.
  Fact<std::string> device_number = not_looked_at();
  Fact<BlockDeviceInfo> device = not_looked_at();
  Fact<std::uint64_t> kernel_readahead = not_looked_at();  // what one fault may read
  Fact<DirectAlignment> direct_alignment = not_looked_at();
  Fact<std::uint64_t> resident = not_looked_at();  // bytes of it in the page cache
};

struct HostReport {
  HostFacts host;
  FileFacts file;
};

// Looks at the host, tries every engine, and looks at `path`: a file, or a directory, for which its
// largest regular file (links are followed) stands in, if there is one. Reads no payload.
// Errors: kIo (`path` cannot be opened), kBadInput (it is neither). Thread safety: any thread.
[[nodiscard]] WPACK_EXPORT Result<HostReport> inspect_host(const std::string& path);

}  // namespace wpack
