// One rank's part of a model: --tp-rank, --tp-size and --tp-rules, and what they mean for a
// container.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "wpack/container.h"
#include "wpack/error.h"
#include "wpack/tensor_parallel.h"

namespace CLI {  // NOLINT(readability-identifier-naming): the parser's own
class App;
}  // namespace CLI

namespace wpack::cli {

struct RankOptions {
  std::optional<std::uint32_t> rank;
  std::optional<std::uint32_t> size;
  std::optional<std::string> rules;

  [[nodiscard]] bool given() const { return rank || size || rules; }
};

void add_rank_options(CLI::App& command, RankOptions& options);

// For on_chosen: refuses the command line where only some are given, or there is no such rank.
void check_rank_options(const RankOptions& options);

// What a rank holds of a container.
class RankSlices {
 public:
  // Reads the rules; numbers that they name may come from the attachment config.json. `options` are
  // given and checked. Errors: those of TensorParallelRules::read and Container::attachment.
  [[nodiscard]] static Result<RankSlices> open(const Container& container,
                                               const RankOptions& options);

  // The slices of one layer. Errors: those of TensorParallelRules::part.
  [[nodiscard]] Result<std::vector<SliceRequest>> of_layer(const Layer& layer) const;

 private:
  RankSlices(Container container, TensorParallelRules rules, std::uint32_t rank, std::uint32_t size)
      : container_(std::move(container)), rules_(std::move(rules)), rank_(rank), size_(size) {}

  Container container_;
  TensorParallelRules rules_;
  std::uint32_t rank_;
  std::uint32_t size_;
};

}  // namespace wpack::cli
