// Small checkpoints as files, and how they open.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "import/torch/torch_source.h"
#include "support/checkpoint_builder.h"
#include "support/memory_file.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"

namespace wpack::testing {

// A file on disk and how it opens.
class CheckpointFile {
 public:
  explicit CheckpointFile(const std::string& contents, std::string_view name = "model.pt")
      : path_(directory_.write(name, contents)) {}
  explicit CheckpointFile(const ZipBuilder& zip) : CheckpointFile(zip.build()) {}

  [[nodiscard]] const std::string& path() const { return path_; }
  [[nodiscard]] Result<std::unique_ptr<TensorSource>> open(
      const SourceOptions& options = {}) const {
    WPACK_ASSIGN(os::File file, os::File::open_read(path_));
    return import::open_torch_zip(std::move(file), options);
  }

 private:
  TempDir directory_;
  std::string path_;
};

// A checkpoint in memory: for tests that open thousands, which a disk would make slow.
class CheckpointInMemory {
 public:
  explicit CheckpointInMemory(const std::string& contents) : file_(contents) {}

  [[nodiscard]] Result<std::unique_ptr<TensorSource>> open(
      const SourceOptions& options = {}) const {
    WPACK_ASSIGN(os::File file, os::File::open_read(file_.path()));
    return import::open_torch_zip(std::move(file), options);
  }

 private:
  MemoryFile file_;
};

// Opens a checkpoint that holds `pickle` and the given storages.
inline Result<std::unique_ptr<TensorSource>> open_pickle(
    const std::string& pickle, const std::vector<std::string>& storages = {"abcdefgh"},
    const SourceOptions& options = {}) {
  return CheckpointInMemory(checkpoint_zip(pickle, storages).build()).open(options);
}

// All bytes of one tensor, read in pieces of `piece`.
inline Result<std::string> read_tensor(TensorSource& source, std::size_t index,
                                       std::size_t piece = 1 << 16) {
  std::string out(static_cast<std::size_t>(source.description().tensors[index].nbytes), '\0');
  const auto bytes = std::as_writable_bytes(std::span(out));
  for (std::size_t at = 0; at < out.size(); at += piece) {
    WPACK_TRY(source.read(index, at, bytes.subspan(at, std::min(piece, out.size() - at))));
  }
  return out;
}

// Opens, reads everything and finishes: the whole way of a packer.
template <typename File>
Status read_everything(const File& file, const SourceOptions& options = {}) {
  WPACK_ASSIGN(const auto source, file.open(options));
  for (std::size_t i = 0; i < source->description().tensors.size(); ++i)
    WPACK_TRY(read_tensor(*source, i));
  return source->finish({});
}

}  // namespace wpack::testing
