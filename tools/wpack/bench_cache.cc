#include "bench_cache.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <fstream>
#include <system_error>

#include "process_usage.h"
#include "system.h"
#include "wpack/text.h"

namespace wpack::cli {
namespace {

constexpr int kAttempts = 5;

// A file that is open for reading.
class OpenFile {
 public:
  explicit OpenFile(const std::string& path) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)) {}
  OpenFile(const OpenFile&) = delete;
  OpenFile& operator=(const OpenFile&) = delete;
  ~OpenFile() {
    if (fd_ >= 0) (void)::close(fd_);
  }
  [[nodiscard]] int fd() const { return fd_; }

 private:
  int fd_;
};

std::uint64_t page_size() { return static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)); }

// Of a file that is neither the caller's nor writable, the kernel says that every page is resident.
bool kernel_tells(const std::string& path, const struct stat& status) {
  return status.st_uid == ::geteuid() || ::access(path.c_str(), W_OK) == 0;
}

Result<Residency> residency_of(const std::string& path) {
  const OpenFile file(path);
  struct stat status {};
  if (file.fd() < 0 || ::fstat(file.fd(), &status) != 0) return system_failure("open", path, errno);
  if (!kernel_tells(path, status)) {
    return Error(ErrorCode::kUnsupportedHost,
                 fmt::format("{}: the kernel tells only a file's owner, or who may write it, what "
                             "of it is in the page cache",
                             escape_name(path)));
  }
  const auto size = static_cast<std::size_t>(status.st_size);
  if (size == 0) return Residency{};
  void* address = ::mmap(nullptr, size, PROT_READ, MAP_SHARED, file.fd(), 0);
  if (address == MAP_FAILED) return system_failure("map", path, errno);
  std::vector<unsigned char> pages((size + page_size() - 1) / page_size());
  const int answer = ::mincore(address, size, pages.data());
  const int error = errno;
  (void)::munmap(address, size);
  errno = error;
  if (answer != 0) return system_failure("mincore", path, errno);
  const auto resident = std::count_if(pages.begin(), pages.end(),
                                      [](unsigned char page) { return (page & 1U) != 0; });
  return Residency{.resident_bytes = static_cast<std::uint64_t>(resident) * page_size(),
                   .total_bytes = pages.size() * page_size()};
}

// Only the superuser may; whether it worked, the next look at the pages tells.
void drop_everything() {
  ::sync();
  std::ofstream("/proc/sys/vm/drop_caches") << "1\n";
}

Status read_through(const std::vector<std::string>& files) {
  std::vector<char> buffer(std::size_t{1} << 20);
  for (const std::string& path : files) {
    const OpenFile file(path);
    if (file.fd() < 0) return system_failure("open", path, errno);
    for (;;) {
      const ssize_t count = ::read(file.fd(), buffer.data(), buffer.size());
      if (count < 0 && errno != EINTR) return system_failure("read", path, errno);
      if (count == 0) break;
    }
  }
  return {};
}

double percent(std::uint64_t part, std::uint64_t whole) {
  return whole == 0 ? 0 : 100 * static_cast<double>(part) / static_cast<double>(whole);
}

}  // namespace

Result<Residency> residency(const std::vector<std::string>& files) {
  Residency sum;
  for (const std::string& path : files) {
    WPACK_ASSIGN(const Residency one, residency_of(path));
    sum.resident_bytes += one.resident_bytes;
    sum.total_bytes += one.total_bytes;
  }
  return sum;
}

void drop_from_cache(const std::vector<std::string>& files) {
  for (const std::string& path : files) {
    const OpenFile file(path);
    if (file.fd() < 0) continue;
    // Dirty pages stay where a file system cannot be synced.
    (void)::fsync(file.fd());
    (void)::posix_fadvise(file.fd(), 0, 0, POSIX_FADV_DONTNEED);
  }
}

Status make_cold(const std::vector<std::string>& files) {
  Residency left;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    drop_from_cache(files);
    WPACK_ASSIGN(left, residency(files));
    if (left.resident_bytes == 0) return {};
    // Pages that are in flight can be dropped in the next attempt; this also evicts what the
    // contestants' programs are made of, so it comes last.
    if (attempt >= kAttempts / 2) drop_everything();
  }
  return Error(ErrorCode::kUnsupportedHost,
               fmt::format("the page cache could not be dropped: {:.3g} % of {:.3g} MB stayed",
                           percent(left.resident_bytes, left.total_bytes),
                           static_cast<double>(left.total_bytes) / 1e6));
}

Status make_warm(const std::vector<std::string>& files) {
  Residency present;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    WPACK_TRY(read_through(files));
    WPACK_ASSIGN(present, residency(files));
    if (present.resident_bytes == present.total_bytes) return {};
  }
  return Error(
      ErrorCode::kLimit,
      fmt::format("{:.3g} % of {:.3g} MB did not stay in the page cache",
                  percent(present.total_bytes - present.resident_bytes, present.total_bytes),
                  static_cast<double>(present.total_bytes) / 1e6));
}

MemoryState memory_state() {
  MemoryState state;
  read_kibibyte_fields("/proc/meminfo", {{"MemTotal:", &state.total_bytes},
                                         {"MemAvailable:", &state.available_bytes},
                                         {"Cached:", &state.cached_bytes}});
  return state;
}

}  // namespace wpack::cli
