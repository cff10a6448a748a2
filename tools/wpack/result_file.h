// A file that takes a result once it is there.
#pragma once

#include <string>
#include <string_view>

#include "wpack/error.h"

namespace wpack::cli {

// Owns the open file. Not thread-safe.
class ResultFile {
 public:
  // Opens `path` for writing and makes it if it is missing; what it holds stays until write().
  // Errors: kIo.
  [[nodiscard]] static Result<ResultFile> open(const std::string& path);

  ResultFile(ResultFile&& other) noexcept;
  ResultFile& operator=(ResultFile&& other) noexcept;
  ~ResultFile();

  // Makes `text` all that the file holds. Errors: kIo, kLimit (the disk is full).
  [[nodiscard]] Status write(std::string_view text);

 private:
  ResultFile(std::string path, int fd) : path_(std::move(path)), fd_(fd) {}

  std::string path_;
  int fd_ = -1;
};

}  // namespace wpack::cli
