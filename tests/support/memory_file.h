// A file without a disk, for tests that open thousands.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <stdexcept>
#include <string>
#include <string_view>

namespace wpack::testing {

class MemoryFile {
 public:
  explicit MemoryFile(std::string_view contents) : fd_(::memfd_create("test", MFD_CLOEXEC)) {
    if (::write(fd_, contents.data(), contents.size()) != static_cast<ssize_t>(contents.size()))
      throw std::runtime_error("cannot write a file in memory");
  }
  MemoryFile(const MemoryFile&) = delete;
  MemoryFile& operator=(const MemoryFile&) = delete;
  ~MemoryFile() { ::close(fd_); }

  // A path that opens it, in this process.
  [[nodiscard]] std::string path() const { return "/proc/self/fd/" + std::to_string(fd_); }

  void resize(std::size_t size) const {
    if (::ftruncate(fd_, static_cast<off_t>(size)) != 0)
      throw std::runtime_error("cannot resize a file in memory");
  }
  void write_byte(std::size_t offset, char byte) const {
    if (::pwrite(fd_, &byte, 1, static_cast<off_t>(offset)) != 1)
      throw std::runtime_error("cannot write a file in memory");
  }

 private:
  int fd_;
};

}  // namespace wpack::testing
