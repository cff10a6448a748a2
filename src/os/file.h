// Files and directories: every call retries EINTR, continues short transfers, and names operation,
// file and offset in its error.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "os/unique_fd.h"
#include "wpack/error.h"
#include "wpack/types.h"

namespace wpack::os {

// What tells whether a file is still the one that was opened.
struct FileIdentity {
  std::uint64_t device = 0;
  std::uint64_t inode = 0;
  std::uint64_t size = 0;
  std::int64_t modified_ns = 0;
  std::int64_t changed_ns = 0;
  friend bool operator==(const FileIdentity&, const FileIdentity&) = default;
};

// An open regular file. Move-only; closes itself.
// Thread safety: const members, from several threads at once.
class File {
 public:
  File() = default;

  // Opens `path` for reading, following symbolic links. Anything but a regular file is kBadInput
  // (and a FIFO is not waited for).
  [[nodiscard]] static Result<File> open_read(const std::string& path);
  // The same for the plain name `name` in `directory`, refusing links: for names that come out of
  // a file, and inside a container. `label` is what errors call it.
  [[nodiscard]] static Result<File> open_read_at(const UniqueFd& directory, const std::string& name,
                                                 std::string label);
  // The same for the plain name `name` in `directory`, following links: for a folder that the user
  // named.
  [[nodiscard]] static Result<File> open_read_in(const UniqueFd& directory, const std::string& name,
                                                 std::string label);
  // As open_read_at(), for writing too.
  [[nodiscard]] static Result<File> open_update_at(const UniqueFd& directory,
                                                   const std::string& name, std::string label);
  // Creates `name` in `directory` for reading and writing, mode 0666 less the umask; it must not
  // exist.
  [[nodiscard]] static Result<File> create_at(const UniqueFd& directory, const std::string& name,
                                              std::string label);

  [[nodiscard]] int fd() const noexcept { return fd_.get(); }
  [[nodiscard]] bool valid() const noexcept { return fd_.valid(); }
  // The path as errors print it (already escaped for a terminal).
  [[nodiscard]] const std::string& label() const noexcept { return label_; }
  // The last part of the path that it was opened by, byte for byte: not for a terminal.
  [[nodiscard]] const std::string& name() const noexcept { return name_; }

  [[nodiscard]] Result<std::uint64_t> size() const;
  [[nodiscard]] Result<FileIdentity> identity() const;

  // Fills `out` from `offset`; the end of the file before that is kIo.
  [[nodiscard]] Status read_exact(std::uint64_t offset, MutableBytes out) const;
  [[nodiscard]] Status write_all(std::uint64_t offset, Bytes bytes) const;
  [[nodiscard]] Status truncate(std::uint64_t size) const;
  // Reserves disk space for [0, size) of an empty file without changing its size, so that a full
  // disk shows early. File systems that cannot do it are left alone. Errors: kLimit (no room), kIo.
  [[nodiscard]] Status reserve(std::uint64_t size) const;
  // Starts writing dirty pages of the range to the disk without waiting. A hint.
  void start_writeback(std::uint64_t offset, std::uint64_t size) const noexcept;
  // Waits until contents and size are on stable storage. A failure is final: the kernel may have
  // dropped the dirty pages, so it is never retried.
  [[nodiscard]] Status sync() const;

  // Hints for the page cache; they never fail.
  void advise_sequential() const noexcept;
  void advise_dont_need(std::uint64_t offset, std::uint64_t size) const noexcept;

 private:
  File(UniqueFd fd, std::string_view path, std::string label)
      : fd_(std::move(fd)), name_(path.substr(path.rfind('/') + 1)), label_(std::move(label)) {}
  [[nodiscard]] static Result<File> open_regular(int directory, const std::string& name, int flags,
                                                 std::string label);

  UniqueFd fd_;
  std::string name_;
  std::string label_;
};

// Fills `out` from `offset` of the descriptor `fd`, as File::read_exact does; the caller adds the
// file's name to the error.
[[nodiscard]] Status read_exact(int fd, std::uint64_t offset, MutableBytes out);

// Opens the directory `path` (a link to one is followed).
[[nodiscard]] Result<UniqueFd> open_directory(const std::string& path);
// Opens the plain name `name` in `directory` as a directory, refusing links.
[[nodiscard]] Result<UniqueFd> open_directory_at(const UniqueFd& directory,
                                                 const std::string& name);

// Waits until the names in `directory` are on stable storage. `label` is what errors call it. File
// systems that cannot sync a directory are left alone.
[[nodiscard]] Status sync_directory(const UniqueFd& directory, const std::string& label);

// True if `path` (links are followed) leads to what is open as `fd`.
[[nodiscard]] bool leads_to(const std::string& path, const UniqueFd& fd) noexcept;
// True if the entry `name` of `directory` (a link is not followed) is what is open as `fd`.
[[nodiscard]] bool is_entry(const UniqueFd& directory, const std::string& name, int fd) noexcept;

// An advisory lock (flock) on a file or directory. It lasts until every copy of the descriptor is
// closed, however the process ends.
enum class LockKind { kShared, kExclusive };
// Locks without waiting. Returns errno, or 0: EWOULDBLOCK if somebody holds a lock that excludes
// this one, something else if the file system cannot lock.
[[nodiscard]] int try_lock(int fd, LockKind kind) noexcept;

// Removes the file `name` of `directory`.
[[nodiscard]] Status remove_file_at(const UniqueFd& directory, const std::string& name);

// Returns the names in a directory, "." and ".." left out, in no order. `label` is what errors call
// it.
[[nodiscard]] Result<std::vector<std::string>> read_directory(const UniqueFd& directory,
                                                              const std::string& label);
// The same; an unreadable directory looks empty.
[[nodiscard]] std::vector<std::string> list_directory(const UniqueFd& directory);

}  // namespace wpack::os
