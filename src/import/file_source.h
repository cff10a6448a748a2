// What the readers of single files have in common, so that many of them can make one source.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "import/inflate_work.h"
#include "import/memory_meter.h"
#include "os/file.h"
#include "wpack/error.h"
#include "wpack/tensor_source.h"

namespace wpack::import {

// A source that reads one file.
//
// Who owns many of them may close their files: reset file() between two calls, and give it the same
// file again before the next one.
class FileSource : public TensorSource {
 public:
  [[nodiscard]] const SourceDescription& description() const noexcept override {
    return description_;
  }

  [[nodiscard]] os::File& file() noexcept { return file_; }
  // What the file was when it was opened.
  [[nodiscard]] const os::FileIdentity& identity() const noexcept { return identity_; }

  // Hands the description over; read() and finish() work as before.
  [[nodiscard]] SourceDescription take_description() noexcept {
    return std::exchange(description_, SourceDescription());
  }
  // Bytes of memory that it keeps beside the description.
  [[nodiscard]] virtual std::uint64_t kept_bytes() const noexcept = 0;

  // Gives back the memory of what it read ahead or decoded. read() and finish() work as before.
  virtual void drop_caches() noexcept {}

 protected:
  FileSource(os::File file, const os::FileIdentity& identity)
      : file_(std::move(file)), identity_(identity) {}

  os::File file_;
  os::FileIdentity identity_;
  SourceDescription description_;
};

// Opens `file`, taking it over, by what its first bytes say it is. `meter` bounds the memory of its
// metadata; `work` bounds what the files of one source inflate, and is null if the file is the only
// one. Errors: kIo, kBadInput, kLimit; messages start with the file's label.
[[nodiscard]] Result<std::unique_ptr<FileSource>> open_file_source(
    os::File file, const SourceOptions& options, MemoryMeter meter,
    std::shared_ptr<InflateWork> work = nullptr);

}  // namespace wpack::import
