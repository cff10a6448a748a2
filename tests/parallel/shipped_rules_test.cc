// The rule files that are shipped, on the parameters of a small model of each family: the slices of
// all ranks are the model.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "support/memory_source.h"
#include "support/paths.h"
#include "support/result_matchers.h"
#include "support/slice_reference.h"
#include "wpack/tensor_parallel.h"

namespace wpack {
namespace {

using Dims = std::vector<std::uint64_t>;
using Parameters = std::map<std::string, Dims>;

struct Family {
  std::string name;  // of the file
  std::string config;
  Parameters parameters;
  // Those that are split: the dimension, and the heads of each of its segments (0: elements).
  std::map<std::string, std::pair<std::uint32_t, std::vector<std::uint64_t>>> split;
};

constexpr std::uint64_t kHidden = 64;
constexpr std::uint64_t kFeedForward = 96;
constexpr std::uint64_t kVocabulary = 160;
constexpr std::uint64_t kHeads = 8;
constexpr std::uint64_t kKvHeads = 2;
constexpr std::uint64_t kHeadSize = kHidden / kHeads;

const std::string kAttentionConfig =
    R"({"hidden_size": 64, "num_attention_heads": 8, "num_key_value_heads": 2,
        "rope_scaling": {"factor": 8.0}, "architectures": ["x"]})";

// What Llama, Qwen2 and Mixtral have in common.
Family attention_family(std::string name, bool biases) {
  Family family{.name = std::move(name), .config = kAttentionConfig, .parameters = {}, .split = {}};
  const auto add = [&](const std::string& tensor, Dims shape) {
    family.parameters[tensor] = std::move(shape);
  };
  const auto split = [&](const std::string& tensor, Dims shape, std::uint32_t dim,
                         std::uint64_t heads) {
    add(tensor, std::move(shape));
    family.split[tensor] = {dim, {heads}};
  };
  split("model.embed_tokens.weight", {kVocabulary, kHidden}, 0, 0);
  split("lm_head.weight", {kVocabulary, kHidden}, 0, 0);
  add("model.norm.weight", {kHidden});
  for (const char* layer : {"model.layers.0", "model.layers.11"}) {
    const std::string prefix = std::string(layer) + ".";
    add(prefix + "input_layernorm.weight", {kHidden});
    add(prefix + "post_attention_layernorm.weight", {kHidden});
    const std::string attention = prefix + "self_attn.";
    split(attention + "q_proj.weight", {kHidden, kHidden}, 0, kHeads);
    split(attention + "k_proj.weight", {kKvHeads * kHeadSize, kHidden}, 0, kKvHeads);
    split(attention + "v_proj.weight", {kKvHeads * kHeadSize, kHidden}, 0, kKvHeads);
    split(attention + "o_proj.weight", {kHidden, kHidden}, 1, kHeads);
    if (!biases) continue;
    split(attention + "q_proj.bias", {kHidden}, 0, kHeads);
    split(attention + "k_proj.bias", {kKvHeads * kHeadSize}, 0, kKvHeads);
    split(attention + "v_proj.bias", {kKvHeads * kHeadSize}, 0, kKvHeads);
  }
  return family;
}

// Two matrices that are split by columns of what they compute, and one by rows.
void add_feed_forward(Family& family, const std::string& prefix,
                      const std::vector<std::string>& columns, const std::string& rows) {
  for (const std::string& column : columns) {
    family.parameters[prefix + column] = {kFeedForward, kHidden};
    family.split[prefix + column] = {0, {0}};
  }
  family.parameters[prefix + rows] = {kHidden, kFeedForward};
  family.split[prefix + rows] = {1, {0}};
}

Family dense_family(std::string name, bool biases) {
  Family family = attention_family(std::move(name), biases);
  for (const char* layer : {"model.layers.0", "model.layers.11"}) {
    add_feed_forward(family, std::string(layer) + ".mlp.", {"gate_proj.weight", "up_proj.weight"},
                     "down_proj.weight");
  }
  return family;
}

Family mixtral() {
  Family family = attention_family("mixtral", false);
  for (const char* layer : {"model.layers.0", "model.layers.11"}) {
    const std::string moe = std::string(layer) + ".block_sparse_moe.";
    family.parameters[moe + "gate.weight"] = {4, kHidden};
    for (const char* expert : {"0", "1", "2", "3"}) {
      add_feed_forward(family, moe + "experts." + expert + ".", {"w1.weight", "w3.weight"},
                       "w2.weight");
    }
  }
  return family;
}

// Qwen2Moe's shared expert and Qwen3's norms of heads beside the experts that both have.
Family qwen_with_experts() {
  Family family = attention_family("qwen2", true);
  for (const char* layer : {"model.layers.0", "model.layers.11"}) {
    const std::string prefix = std::string(layer) + ".";
    family.parameters[prefix + "self_attn.q_norm.weight"] = {kHeadSize};
    family.parameters[prefix + "self_attn.k_norm.weight"] = {kHeadSize};
    family.parameters[prefix + "mlp.gate.weight"] = {4, kHidden};
    family.parameters[prefix + "mlp.shared_expert_gate.weight"] = {1, kHidden};
    for (const char* expert : {"experts.0.", "experts.3.", "experts.127.", "shared_expert."}) {
      add_feed_forward(family, prefix + "mlp." + expert, {"gate_proj.weight", "up_proj.weight"},
                       "down_proj.weight");
    }
  }
  return family;
}

Family gpt2(const std::string& prefix) {
  Family family{
      .name = "gpt2", .config = R"({"n_head": 8, "n_embd": 64})", .parameters = {}, .split = {}};
  family.parameters = {{prefix + "wte.weight", {157, kHidden}},
                       {prefix + "wpe.weight", {33, kHidden}},
                       {prefix + "ln_f.weight", {kHidden}},
                       {prefix + "ln_f.bias", {kHidden}}};
  for (const char* layer : {"h.0.", "h.11."}) {
    const std::string block = prefix + layer;
    const auto add = [&](const std::string& tensor, Dims shape) {
      family.parameters[block + tensor] = std::move(shape);
    };
    const auto split = [&](const std::string& tensor, Dims shape, std::uint32_t dim,
                           std::vector<std::uint64_t> heads) {
      add(tensor, std::move(shape));
      family.split[block + tensor] = {dim, std::move(heads)};
    };
    add("ln_1.weight", {kHidden});
    add("ln_1.bias", {kHidden});
    add("ln_2.weight", {kHidden});
    add("ln_2.bias", {kHidden});
    split("attn.c_attn.weight", {kHidden, 3 * kHidden}, 1, {kHeads, kHeads, kHeads});
    split("attn.c_attn.bias", {3 * kHidden}, 0, {kHeads, kHeads, kHeads});
    split("attn.c_proj.weight", {kHidden, kHidden}, 0, {kHeads});
    add("attn.c_proj.bias", {kHidden});
    split("mlp.c_fc.weight", {kHidden, 4 * kHidden}, 1, {0});
    split("mlp.c_fc.bias", {4 * kHidden}, 0, {0});
    split("mlp.c_proj.weight", {4 * kHidden, kHidden}, 0, {0});
    add("mlp.c_proj.bias", {kHidden});
  }
  return family;
}

class ShippedRulesTest : public ::testing::TestWithParam<Family> {
 protected:
  [[nodiscard]] TensorParallelRules rules() const {
    const std::string path = testing::source_directory() / "rules" / (GetParam().name + ".json");
    return TensorParallelRules::read(path, GetParam().config).value();
  }
  [[nodiscard]] TensorPart part(const TensorParallelRules& rules, const std::string& name,
                                std::uint32_t rank, std::uint32_t size) const {
    return rules.part(name, DType::kBF16, GetParam().parameters.at(name), rank, size).value();
  }
};

INSTANTIATE_TEST_SUITE_P(Families, ShippedRulesTest,
                         ::testing::Values(dense_family("llama", false),
                                           dense_family("qwen2", true), qwen_with_experts(),
                                           mixtral(), gpt2(""), gpt2("transformer.")),
                         [](const auto& family) {
                           return family.param.name + "_" + std::to_string(family.index);
                         });

TEST_P(ShippedRulesTest, SplitsTheTensorsOfTheFamilyAndNoOthers) {
  const TensorParallelRules parsed = rules();
  for (const auto& [name, shape] : GetParam().parameters) {
    const auto expected = GetParam().split.find(name);
    const TensorPart found = part(parsed, name, 0, 2);
    EXPECT_EQ(!found.whole(), expected != GetParam().split.end()) << name;
    if (!found.whole()) {
      EXPECT_EQ(found.dim, expected->second.first) << name;
    }
  }
}

// Puts the ranks' slices of `name` together, each segment by itself and every head once.
std::vector<std::byte> assembled(const Family& family, const std::string& name,
                                 const std::vector<std::vector<std::byte>>& slices) {
  const Dims& shape = family.parameters.at(name);
  const auto& [dim, segments] = family.split.at(name);
  std::uint64_t outer = 1;
  std::uint64_t inner = 2;  // BF16
  for (std::uint32_t i = 0; i < dim; ++i) outer *= shape[i];
  for (std::size_t i = dim + 1; i < shape.size(); ++i) inner *= shape[i];
  const std::uint64_t segment = shape[dim] / segments.size();  // all families have equal ones
  std::vector<std::byte> result;
  for (std::uint64_t row = 0; row < outer; ++row) {
    for (std::size_t s = 0; s < segments.size(); ++s) {
      const std::uint64_t parts =
          segments[s] == 0 ? slices.size() : std::min<std::uint64_t>(segments[s], slices.size());
      const std::uint64_t size = segment / parts * inner;
      for (std::uint64_t i = 0; i < parts; ++i) {
        const auto& slice = slices[i * slices.size() / parts];
        const std::uint64_t begin = (row * segments.size() + s) * size;
        EXPECT_LE(begin + size, slice.size());
        result.insert(result.end(), slice.begin() + static_cast<std::ptrdiff_t>(begin),
                      slice.begin() + static_cast<std::ptrdiff_t>(begin + size));
      }
    }
  }
  return result;
}

TEST_P(ShippedRulesTest, GivesRanksWhatMakesUpTheModelAgain) {
  const TensorParallelRules parsed = rules();
  for (const std::uint32_t size : {1U, 2U, 4U, 8U}) {
    for (const auto& [name, shape] : GetParam().parameters) {
      const auto bytes =
          testing::pattern_bytes(tensor_nbytes(DType::kBF16, shape).value(), name.size());
      std::vector<std::vector<std::byte>> slices;
      for (std::uint32_t rank = 0; rank < size; ++rank) {
        slices.push_back(
            testing::reference_slice(bytes, DType::kBF16, shape, part(parsed, name, rank, size)));
      }
      if (!GetParam().split.contains(name)) {
        for (const auto& slice : slices) EXPECT_EQ(slice, bytes) << name;
      } else {
        EXPECT_EQ(assembled(GetParam(), name, slices), bytes) << name << " at " << size;
      }
    }
  }
}

TEST_P(ShippedRulesTest, ReplicatesKeyAndValueHeadsAlike) {
  const TensorParallelRules parsed = rules();
  for (const auto& [name, split] : GetParam().split) {
    if (split.second.front() != kKvHeads) continue;
    for (std::uint32_t rank = 0; rank < 8; ++rank)
      EXPECT_EQ(part(parsed, name, rank, 8), part(parsed, name, rank / 4 * 4, 8)) << name;
  }
}

}  // namespace
}  // namespace wpack
