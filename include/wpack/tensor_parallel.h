// Tensor parallelism: which part of every tensor one of several ranks holds, by a file of rules.
//
//   auto rules = wpack::TensorParallelRules::read("llama.json", config);
//   for (std::uint32_t id = 0; id < container.tensor_count(); ++id) {
//     const wpack::TensorInfo tensor = container.tensor_info(id);
//     auto part = rules->part(tensor.name, tensor.dtype, tensor.shape, rank, size);
//     if (!part) return fail(part.error().message());
//     requests.push_back({id, *std::move(part)});
//   }
//   auto slices = container.slices(requests);
//
// A rule file is a JSON object (wpack ships some in share/wpack/rules):
//
//   {
//     "wpack_tensor_parallel": 1,
//     "comment": "what it is for",
//     "values": {"num_key_value_heads": 8},
//     "rules": [
//       {"tensors": ["*.q_proj.weight"], "dim": 0, "heads": "num_attention_heads"},
//       {"tensors": ["*.k_proj.weight"], "dim": 0, "heads": "num_key_value_heads"},
//       {"tensors": ["*.up_proj.weight"], "dim": 0},
//       {"tensors": ["*.qkv.weight"], "dim": 0,
//        "segments": [{"heads": 32}, {"heads": 8}, {"heads": 8}]},
//       {"tensors": ["*.gate_up.weight"], "dim": 0, "segments": [{}, {}]}
//     ]
//   }
//
// - `tensors`: globs of names (`*` any run of bytes, dots too, `?` one byte). The first rule with a
//   glob that matches a name is its rule; a tensor without one is whole on every rank (norms, and
//   the biases of layers that are split by rows).
// - `dim`: the dimension that is split, 0 is the outermost. Without more, rank r of N holds the
//   elements [r*L/N, (r+1)*L/N) of its L; N must divide L. So a model can be split among any
//   number of ranks that divides all lengths that its rules split: nothing is padded.
// - `heads`: the dimension is H heads of L/H elements, which are not cut. With H >= N each rank
//   holds H/N of them; with H < N (few key and value heads) rank r holds head floor(r*H/N), which
//   N/H ranks hold alike. H must divide L, and one of H and N the other.
// - `segments`: the dimension is several parts one after the other (fused matrices). Each is split
//   by itself as above, and a rank holds what it has of all of them, one after the other. The
//   lengths of the parts are to each other as their `share`, by default their `heads`, else 1.
// - a number (`heads`, `share`) may be the name of one: in `values`, else at the top of the model's
//   own configuration (config.json), so that one file serves a family of models.
// - `comment` may hold any text. Nothing else is accepted, and no key twice.
//
// Everything here is a pure function, but for read().
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "wpack/error.h"
#include "wpack/export.h"
#include "wpack/tensor_slice.h"
#include "wpack/types.h"

namespace wpack {

// Rules as they were parsed. Copies share them. Thread safety: const members, from several threads
// at once.
class WPACK_EXPORT TensorParallelRules {
 public:
  // The largest texts that are parsed, in bytes.
  static constexpr std::uint64_t kMaxTextSize = std::uint64_t{1} << 20;
  // Ranks are below this.
  static constexpr std::uint32_t kMaxSize = 65'536;

  // Parses the text of a rule file. `model_config`: the text of the model's config.json, or empty.
  // Errors, with the key: kBadInput (not JSON, an unknown or missing key, a wrong value, a number
  // that is named and nowhere given), kLimit (a text of more than kMaxTextSize bytes, more than
  // 1,024 rules, 1,024 globs in one, or 64 segments).
  [[nodiscard]] static Result<TensorParallelRules> parse(std::string_view text,
                                                         std::string_view model_config = {});
  // Reads and parses the file `path` (links are followed). Errors, with its name: those, and kIo.
  [[nodiscard]] static Result<TensorParallelRules> read(const std::string& path,
                                                        std::string_view model_config = {});

  // Returns the part of a tensor that rank `rank` of `size` holds: whole, or ranges of one
  // dimension. Errors, with the tensor's name: kInvalidArgument (rank >= size, size is 0 or more
  // than kMaxSize, the rule's dimension does not exist, a length that does not divide, a part that
  // does not begin and end at a byte), kBadInput (an unknown element type).
  [[nodiscard]] Result<TensorPart> part(std::string_view name, DType dtype, Shape shape,
                                        std::uint32_t rank, std::uint32_t size) const;

 private:
  explicit TensorParallelRules(std::shared_ptr<const struct TensorParallelRuleList> rules)
      : rules_(std::move(rules)) {}
  std::shared_ptr<const struct TensorParallelRuleList> rules_;
};

}  // namespace wpack
