// Rule files of tensor parallelism: an input is their text. What is accepted is JSON, and splits a
// tensor so that the ranks together hold all of it.
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "fuzz_target.h"
#include "property.h"
#include "wpack/tensor_parallel.h"

namespace wpack::fuzz {
namespace {

using Dims = std::vector<std::uint64_t>;

constexpr std::string_view kConfig =
    R"({"num_attention_heads": 8, "num_key_value_heads": 2, "n_head": 4, "text": "x"})";

void require_inside(const TensorPart& part, const Dims& shape) {
  if (part.whole()) return;
  require(part.dim < shape.size(), "the dimension exists");
  std::uint64_t end = 0;
  for (const ElementRange& range : part.ranges) {
    require(end <= range.begin && range.begin <= range.end && range.end <= shape[part.dim],
            "ranges ascend inside the dimension");
    end = range.end;
  }
}

// Every rank holds as much as every other, and every element is some rank's.
void require_partition(const TensorParallelRules& rules, const Dims& shape, std::uint32_t size) {
  std::vector<bool> held;
  std::uint64_t length = 0;
  for (std::uint32_t rank = 0; rank < size; ++rank) {
    const auto part = rules.part("model.layers.0.w", DType::kU8, shape, rank, size);
    if (!part) {
      require(rank == 0, "what is refused is refused for all ranks:", part.error().message());
      require(part.error().code() == ErrorCode::kInvalidArgument, "it does not divide");
      return require_one_line(part.error().message(), "a message");
    }
    require_inside(*part, shape);
    if (part->whole()) continue;
    held.resize(shape[part->dim]);
    std::uint64_t own = 0;
    for (const ElementRange& range : part->ranges) {
      own += range.size();
      for (std::uint64_t i = range.begin; i < range.end; ++i) held[i] = true;
    }
    require(rank == 0 || own == length, "ranks hold equally much");
    length = own;
  }
  for (const bool element : held) require(element, "every element is held");
}

void run(std::string_view text) {
  const auto rules = TensorParallelRules::parse(text, kConfig);
  (void)TensorParallelRules::parse(R"({"wpack_tensor_parallel": 1, "rules": [{}]})", text);
  if (!rules) return require_refusal(rules.error());
  const auto document = nlohmann::json::parse(text, nullptr, false);
  require(document.is_object() && document.at("rules").is_array(), "rules are JSON");
  for (const std::uint32_t size : {1U, 2U, 3U, 8U}) {
    for (const Dims& shape : {Dims{}, Dims{48}, Dims{24, 16}, Dims{7, 0, 96}})
      require_partition(*rules, shape, size);
  }
}

}  // namespace
}  // namespace wpack::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  // A copy of exactly this size, so that reading past it is noticed.
  const std::vector<char> text(data, data + size);
  wpack::fuzz::run({text.data(), text.size()});
  return 0;
}
