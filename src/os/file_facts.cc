#include "os/file_facts.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cerrno>

#include "os/direct_io.h"
#include "os/extended_status.h"
#include "os/file.h"
#include "os/file_system_type.h"
#include "os/mount_table.h"
#include "os/os_error.h"
#include "os/residency.h"
#include "os/system_text.h"
#include "os/unique_fd.h"
#include "wpack/text.h"

namespace wpack::os {
namespace {

std::string device_number(dev_t device) {
  return fmt::format("{}:{}", major(device), minor(device));
}

Error unsupported(std::string reason) { return {ErrorCode::kUnsupportedHost, std::move(reason)}; }

Fact<FileSystemInfo> file_system(int fd) {
  struct statfs status {};
  int result = 0;
  do {
    result = ::fstatfs(fd, &status);
  } while (result != 0 && errno == EINTR);
  if (result != 0) return os_error(errno, "statfs", "file");
  return file_system_of(static_cast<std::uint32_t>(status.f_type));
}

Fact<std::uint64_t> device_value(const SystemFiles& files, const std::string& number,
                                 std::string_view name) {
  // A partition has no queue of its own: the disk around it has.
  for (const std::string_view queue : {"/queue/", "/../queue/"}) {
    const std::string path = fmt::format("/sys/dev/block/{}{}{}", number, queue, name);
    const auto text = files.read(path);
    if (!text && text.error().system_errno() == ENOENT) continue;
    if (!text) return text.error();
    const auto value = parse_number(*text);
    if (value) return *value;
    return unsupported(fmt::format("{}: '{}' is not understood", path, escape_name(*text, 64)));
  }
  return unsupported(
      fmt::format("no one block device is behind the file system (device {})", number));
}

Fact<BlockDeviceInfo> block_device(const SystemFiles& files, const std::string& number) {
  BlockDeviceInfo device{.number = number};
  WPACK_ASSIGN(device.logical_block_size, device_value(files, number, "logical_block_size"));
  WPACK_ASSIGN(const std::uint64_t rotational, device_value(files, number, "rotational"));
  device.rotational = rotational != 0;
  return device;
}

// Every file system has one, also those without a disk.
Fact<std::uint64_t> kernel_readahead(const SystemFiles& files, const std::string& number) {
  const std::string path = fmt::format("/sys/class/bdi/{}/read_ahead_kb", number);
  WPACK_ASSIGN(const std::string text, files.read(path));
  const auto kilobytes = parse_number(text);
  if (!kilobytes || *kilobytes > UINT64_MAX / 1024)
    return unsupported(fmt::format("{}: '{}' is not understood", path, escape_name(text, 64)));
  return *kilobytes * 1024;
}

Fact<DirectAlignment> direct_alignment(int fd, const std::string& path) {
  WPACK_ASSIGN(const DirectFile direct, open_direct(fd, escape_name(path)));
  return direct.alignment;
}

// The largest regular file in `directory`, or an invalid one. Caches of models are folders of
// links.
File largest_file(const UniqueFd& directory, const std::string& path) {
  File largest;
  std::uint64_t largest_size = 0;
  for (const std::string& name : list_directory(directory)) {
    auto file = File::open_read_in(directory, name, escape_name(fmt::format("{}/{}", path, name)));
    if (!file) continue;
    const std::uint64_t size = file->size().value_or(std::uint64_t{0});
    if (size <= largest_size) continue;
    largest = *std::move(file);
    largest_size = size;
  }
  return largest;
}

}  // namespace

FileFacts file_facts(const SystemFiles& files, int fd, std::string path) {
  FileFacts facts;
  facts.path = std::move(path);
  facts.file_system = file_system(fd);
  struct stat status {};
  if (::fstat(fd, &status) != 0) {
    const Error error = os_error(errno, "stat", "file");
    facts.device_number = error;
    facts.device = error;
    facts.kernel_readahead = error;
    facts.direct_alignment = error;
    facts.resident = error;
    return facts;
  }
  const std::string number = device_number(status.st_dev);
  facts.device_number = number;
  facts.device = block_device(files, number);
  facts.kernel_readahead = kernel_readahead(files, number);
  if (!S_ISREG(status.st_mode)) {
    facts.direct_alignment = unsupported("a directory has no bytes");
    facts.resident = unsupported("a directory has no bytes");
    return facts;
  }
  facts.size = static_cast<std::uint64_t>(status.st_size);
  facts.direct_alignment = direct_alignment(fd, facts.path);
  facts.resident = resident_bytes(fd, {0, facts.size});
  return facts;
}

void add_mount(const SystemFiles& files, int fd, FileFacts& facts) {
  struct stat status {};
  const auto extended = ExtendedStatus::of(fd);
  const bool has_id = extended && extended->has(ExtendedStatus::kMountId);
  if (::fstat(fd, &status) != 0) {
    facts.mount = os_error(errno, "stat", "file");
    return;
  }
  const auto text = files.read("/proc/self/mountinfo");
  if (!text) {
    facts.mount = text.error();
    return;
  }
  const std::vector<Mount> mounts = parse_mountinfo(*text);
  const std::string number = device_number(status.st_dev);
  // No mount is called 0.
  const Mount* const mount = find_mount(mounts, has_id ? extended->mount_id() : 0, number);
  if (mount == nullptr) {
    facts.mount = unsupported(fmt::format("no mount of device {} is visible", number));
    return;
  }
  facts.mount = MountInfo{mount->point, mount->source, mount->options};
  const FileSystemKind kind =
      facts.file_system ? facts.file_system->kind : FileSystemKind::kUnknown;
  facts.file_system = FileSystemInfo{mount->type, kind};
}

Result<FileFacts> path_facts(const SystemFiles& files, const std::string& path) {
  struct stat status {};
  if (::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) {
    WPACK_ASSIGN(const UniqueFd directory, open_directory(path));
    const File file = largest_file(directory, path);
    const int fd = file.valid() ? file.fd() : directory.get();
    FileFacts facts = file_facts(files, fd, file.valid() ? path + "/" + file.name() : path);
    add_mount(files, fd, facts);
    return facts;
  }
  WPACK_ASSIGN(const File file, File::open_read(path));
  FileFacts facts = file_facts(files, file.fd(), path);
  add_mount(files, file.fd(), facts);
  return facts;
}

}  // namespace wpack::os
