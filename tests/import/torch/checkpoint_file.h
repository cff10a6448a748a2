// Small checkpoints for tests: an archive around a pickle and its storages.
#pragma once

#include <sys/mman.h>
#include <unistd.h>

#include <memory>
#include <stdexcept>
#include <string>
#include <vector>

#include "import/torch/torch_source.h"
#include "support/pickle_builder.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"
#include "support/zip_builder.h"

namespace wpack::testing {

// An archive as PyTorch writes it: "archive/data.pkl", storages "0", "1", ..., version 3.
inline ZipBuilder checkpoint_zip(std::string pickle, const std::vector<std::string>& storages) {
  ZipBuilder zip;
  zip.add("archive/data.pkl", std::move(pickle));
  for (std::size_t i = 0; i < storages.size(); ++i)
    zip.add("archive/data/" + std::to_string(i), storages[i]);
  zip.add("archive/version", "3\n");
  for (ZipEntry& entry : zip.entries) entry.descriptor = true;
  return zip;
}

// {"x": a float32 tensor of shape [2] over storage 0}
inline std::string small_pickle() {
  return PickleBuilder().empty_dict().string("x").tensor("0", 2, {2}, {1}).set_item().stop();
}

inline ZipBuilder small_zip() { return checkpoint_zip(small_pickle(), {"abcdefgh"}); }

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

// A file in memory: for tests that open thousands, which a disk would make slow.
class CheckpointInMemory {
 public:
  explicit CheckpointInMemory(const std::string& contents)
      : fd_(::memfd_create("checkpoint", MFD_CLOEXEC)) {
    if (::write(fd_.get(), contents.data(), contents.size()) !=
        static_cast<ssize_t>(contents.size()))
      throw std::runtime_error("cannot write a file in memory");
  }

  [[nodiscard]] Result<std::unique_ptr<TensorSource>> open(
      const SourceOptions& options = {}) const {
    WPACK_ASSIGN(os::File file, os::File::open_read("/proc/self/fd/" + std::to_string(fd_.get())));
    return import::open_torch_zip(std::move(file), options);
  }

 private:
  os::UniqueFd fd_;
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
  return source->finish();
}

}  // namespace wpack::testing
