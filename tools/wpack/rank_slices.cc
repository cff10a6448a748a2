#include "rank_slices.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "command.h"

namespace wpack::cli {
namespace {

constexpr std::string_view kConfig = "config.json";

// The text of the model's configuration; empty if the container has none.
Result<std::string> model_config(const Container& container) {
  const std::vector<AttachmentInfo> attachments = container.attachments();
  const auto found = std::ranges::find(attachments, kConfig, &AttachmentInfo::name);
  if (found == attachments.end() || found->size > TensorParallelRules::kMaxTextSize)
    return std::string();
  WPACK_ASSIGN(const std::vector<std::byte> bytes, container.attachment(kConfig));
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size());
}

}  // namespace

void add_rank_options(CLI::App& command, RankOptions& options) {
  add_value(command, "--tp-rank", options.rank, "R",
            "only what this rank of tensor parallelism holds, counted from 0");
  add_value(command, "--tp-size", options.size, "N", "how many ranks there are");
  add_value(command, "--tp-rules", options.rules, "FILE",
            "how tensors are split between ranks: share/wpack/rules has examples; numbers of heads "
            "that it names are looked up in the container's config.json");
}

void check_rank_options(const RankOptions& options) {
  if (!options.given()) return;
  if (!options.rank || !options.size || !options.rules)
    refuse_value("--tp-rank, --tp-size and --tp-rules", "they go together");
  if (*options.size == 0 || *options.size > TensorParallelRules::kMaxSize) {
    refuse_value("--tp-size",
                 fmt::format("1 to {} ranks are possible", TensorParallelRules::kMaxSize));
  }
  if (*options.rank >= *options.size) {
    refuse_value("--tp-rank",
                 fmt::format("ranks of {} are 0 to {}", *options.size, *options.size - 1));
  }
}

Result<RankSlices> RankSlices::open(const Container& container, const RankOptions& options) {
  WPACK_ASSIGN(const std::string config, model_config(container));
  WPACK_ASSIGN(TensorParallelRules rules,
               TensorParallelRules::read(options.rules.value_or(""), config));
  return RankSlices(container, std::move(rules), options.rank.value_or(0),
                    options.size.value_or(1));
}

Result<std::vector<SliceRequest>> RankSlices::of_layer(const Layer& layer) const {
  std::vector<SliceRequest> requests;
  for (std::uint32_t id = layer.info().tensor_begin; id < layer.info().tensor_end; ++id) {
    const TensorInfo tensor = container_.tensor_info(id);
    WPACK_ASSIGN(TensorPart part,
                 rules_.part(tensor.name, tensor.dtype, tensor.shape, rank_, size_));
    requests.push_back({.tensor = id, .part = std::move(part)});
  }
  return requests;
}

}  // namespace wpack::cli
