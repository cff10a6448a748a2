// Containers made of numbers, for benchmarks that need no checkpoint.
#pragma once

#include <stdlib.h>  // NOLINT(modernize-deprecated-headers): mkdtemp is POSIX, not C++

#include <cstring>
#include <filesystem>
#include <stdexcept>
#include <string>

#include "wpack/pack.h"
#include "wpack/tensor_source.h"

namespace wpack::bench {

// `count` tensors of `nbytes` bytes each, nine to a block of a transformer, no two alike.
class SyntheticSource final : public TensorSource {
 public:
  SyntheticSource(std::uint32_t count, std::uint64_t nbytes) {
    description_.format = "synthetic";
    for (std::uint32_t i = 0; i < count; ++i) {
      SourceTensor tensor;
      tensor.name = "model.layers." + std::to_string(i / 9) + ".part" + std::to_string(i % 9);
      tensor.dtype = DType::kU8;
      tensor.shape = {nbytes};
      tensor.nbytes = nbytes;
      description_.tensors.push_back(std::move(tensor));
    }
  }

  [[nodiscard]] const SourceDescription& description() const noexcept override {
    return description_;
  }

  [[nodiscard]] Status read(std::size_t index, std::uint64_t offset, MutableBytes out) override {
    // A multiplicative generator: cheap, and different for every tensor and position.
    std::uint64_t state = (index + 1) * 0x9E3779B97F4A7C15U + offset;
    for (std::size_t i = 0; i < out.size(); i += sizeof state) {
      state = state * 6364136223846793005U + 1442695040888963407U;
      std::memcpy(out.data() + i, &state, std::min(sizeof state, out.size() - i));
    }
    return {};
  }

  [[nodiscard]] Status finish(const KeepGoing& /*keep_going*/) override { return {}; }

 private:
  SourceDescription description_;
};

// A container in a directory of its own, removed with it.
class SyntheticContainer {
 public:
  SyntheticContainer(std::uint32_t count, std::uint64_t nbytes) {
    std::string pattern = (std::filesystem::temp_directory_path() / "wpack-bench-XXXXXX").string();
    if (::mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("mkdtemp failed");
    directory_ = pattern;
    SyntheticSource source(count, nbytes);
    if (const auto report = pack(source, path()); !report) {
      throw std::runtime_error(report.error().message());
    }
  }
  SyntheticContainer(const SyntheticContainer&) = delete;
  SyntheticContainer& operator=(const SyntheticContainer&) = delete;
  ~SyntheticContainer() {
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  [[nodiscard]] std::string path() const { return directory_ + "/synthetic.wpack"; }

 private:
  std::string directory_;
};

}  // namespace wpack::bench
