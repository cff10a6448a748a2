// Starts the same transformer as torch_start.py from a container: describes it as a tree of
// structs, binds every weight to its bytes, and prints what that took, as JSON.
//
//   bind_module {whole|construct} CONTAINER VOCABULARY HIDDEN KEY_VALUE WIDE BLOCKS DTYPE
//
// A weight is bound when name, element type, shape and size are as the module expects them. The
// start ends when all are, and one byte of every page of them was read. `construct` stops when the
// module is described. Exit status 1 and one line on stderr if anything does not fit.
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "wpack/container.h"
#include "wpack/text.h"

namespace {

using wpack::Container;
using wpack::DType;
using wpack::Error;
using wpack::ErrorCode;
using wpack::Status;
using wpack::Tensor;

struct Dimensions {
  std::uint64_t vocabulary = 0;
  std::uint64_t hidden = 0;
  std::uint64_t key_value = 0;
  std::uint64_t wide = 0;
  std::uint64_t blocks = 0;
  DType dtype = DType::kBF16;
};

// A weight of the module: what it must be and, once it is bound, its bytes. The tensor keeps them
// alive.
struct Weight {
  std::string name;
  std::vector<std::uint64_t> shape;
  DType dtype = DType::kBF16;
  std::optional<Tensor> tensor = std::nullopt;
};

struct Attention {
  Weight query, key, value, output;
};

struct FeedForward {
  Weight gate, up, down;
};

struct Block {
  Attention attention;
  FeedForward feed_forward;
  Weight input_norm, post_attention_norm;
};

struct Model {
  Weight embedding;
  std::vector<Block> blocks;
  Weight norm;
  Weight head;
};

Block describe_block(const std::string& prefix, const Dimensions& size) {
  const auto weight = [&](const char* name, std::vector<std::uint64_t> shape) {
    return Weight{prefix + name + ".weight", std::move(shape), size.dtype};
  };
  const std::uint64_t hidden = size.hidden;
  return {.attention = {.query = weight("self_attn.q_proj", {hidden, hidden}),
                        .key = weight("self_attn.k_proj", {size.key_value, hidden}),
                        .value = weight("self_attn.v_proj", {size.key_value, hidden}),
                        .output = weight("self_attn.o_proj", {hidden, hidden})},
          .feed_forward = {.gate = weight("mlp.gate_proj", {size.wide, hidden}),
                           .up = weight("mlp.up_proj", {size.wide, hidden}),
                           .down = weight("mlp.down_proj", {hidden, size.wide})},
          .input_norm = weight("input_layernorm", {hidden}),
          .post_attention_norm = weight("post_attention_layernorm", {hidden})};
}

Model describe(const Dimensions& size) {
  Model model;
  model.embedding = {"model.embed_tokens.weight", {size.vocabulary, size.hidden}, size.dtype};
  for (std::uint64_t i = 0; i < size.blocks; ++i) {
    model.blocks.push_back(describe_block("model.layers." + std::to_string(i) + ".", size));
  }
  model.norm = {"model.norm.weight", {size.hidden}, size.dtype};
  model.head = {"lm_head.weight", {size.vocabulary, size.hidden}, size.dtype};
  return model;
}

// Every weight of the model, in the order of use.
std::vector<Weight*> weights_of(Model& model) {
  std::vector<Weight*> weights = {&model.embedding};
  for (Block& block : model.blocks) {
    Attention& attention = block.attention;
    FeedForward& feed_forward = block.feed_forward;
    weights.insert(weights.end(), {&block.input_norm, &attention.query, &attention.key,
                                   &attention.value, &attention.output, &block.post_attention_norm,
                                   &feed_forward.gate, &feed_forward.up, &feed_forward.down});
  }
  weights.insert(weights.end(), {&model.norm, &model.head});
  return weights;
}

Status bind(const Container& container, Weight& weight) {
  WPACK_ASSIGN(Tensor tensor, container.tensor(weight.name));
  const auto refuse = [&](const char* what) {
    return Error(ErrorCode::kInvalidArgument, "bind " + wpack::escape_name(weight.name) + ": its " +
                                                  what + " is not the module's");
  };
  if (tensor.dtype() != weight.dtype) return refuse("element type");
  const wpack::Shape shape = tensor.shape();
  if (!std::equal(shape.begin(), shape.end(), weight.shape.begin(), weight.shape.end())) {
    return refuse("shape");
  }
  if (tensor.bytes().size() != wpack::tensor_nbytes(weight.dtype, weight.shape)) {
    return refuse("size");
  }
  weight.tensor = std::move(tensor);
  return {};
}

// Reads one byte of every page of every weight, of tied ones once. Returns their bytes.
std::uint64_t touch(const std::vector<Weight*>& weights) {
  constexpr std::size_t kPageSize = 4096;
  std::set<const std::byte*> seen;
  std::uint64_t size = 0;
  for (const Weight* weight : weights) {
    const wpack::Bytes bytes = weight->tensor->bytes();
    if (!seen.insert(bytes.data()).second) continue;
    const volatile std::byte* data = bytes.data();
    for (std::size_t i = 0; i < bytes.size(); i += kPageSize) (void)data[i];
    size += bytes.size();
  }
  return size;
}

Status start(const char* path, Model& model, std::uint64_t& size) {
  WPACK_ASSIGN(const Container container, Container::open(path));
  // The whole model is wanted: reading starts for all layers before the first is bound.
  for (const wpack::Layer& layer : container.layers()) WPACK_TRY(layer.prefetch());
  const std::vector<Weight*> weights = weights_of(model);
  for (Weight* weight : weights) WPACK_TRY(bind(container, *weight));
  if (weights.size() != container.tensor_count()) {
    return Error(ErrorCode::kInvalidArgument,
                 std::string(path) + ": holds tensors that the module does not have");
  }
  size = touch(weights);
  return {};
}

double cpu_seconds() {
  rusage usage{};
  (void)::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

int run(char** arguments) {
  const auto number = [&](int index) { return std::strtoull(arguments[index], nullptr, 10); };
  const wpack::DTypeInfo* dtype = wpack::find_dtype_by_name(arguments[8]);
  if (dtype == nullptr) {
    std::cerr << "bind_module: no element type is called " << arguments[8] << '\n';
    return 1;
  }
  const Dimensions size = {.vocabulary = number(3),
                           .hidden = number(4),
                           .key_value = number(5),
                           .wide = number(6),
                           .blocks = number(7),
                           .dtype = dtype->dtype};
  const double cpu_before = cpu_seconds();
  const auto started = std::chrono::steady_clock::now();
  Model model = describe(size);
  std::uint64_t bytes = 0;
  if (std::string(arguments[1]) == "whole") {
    if (const Status done = start(arguments[2], model, bytes); !done) {
      std::cerr << "bind_module: " << done.error().message() << '\n';
      return 1;
    }
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - started;
  std::cout << nlohmann::json{{"total_seconds", seconds.count()},
                              {"cpu_seconds", cpu_seconds() - cpu_before},
                              {"bytes", bytes}}
            << '\n';
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 9) {
    std::cerr << "usage: bind_module {whole|construct} CONTAINER VOCABULARY HIDDEN KEY_VALUE WIDE "
                 "BLOCKS DTYPE\n";
    return 2;
  }
  return run(argv);
}
