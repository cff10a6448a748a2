// How the golden bad containers are made: each is sound but for one rule of format/SPEC.md, with
// every checksum and the identity made right again, so that nothing else gives it away.
#pragma once

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "support/container_builder.h"

namespace wpack::testing {

struct Recipe {
  std::string name;
  // Writes the container into the directory `path`, which it makes.
  std::function<void(const std::filesystem::path& path)> make;
};

// All of them, in the order of golden_bad.tsv's rules.
[[nodiscard]] std::vector<Recipe> all_recipes();

[[nodiscard]] std::vector<Recipe> envelope_recipes();  // E
[[nodiscard]] std::vector<Recipe> index_recipes();     // F, S, Z
[[nodiscard]] std::vector<Recipe> extent_recipes();    // X, C
[[nodiscard]] std::vector<Recipe> layer_recipes();     // L
[[nodiscard]] std::vector<Recipe> tensor_recipes();    // T
[[nodiscard]] std::vector<Recipe> name_recipes();      // N
[[nodiscard]] std::vector<Recipe> side_recipes();      // A, M
[[nodiscard]] std::vector<Recipe> payload_recipes();   // C4, T5, P, U, D

// Sound containers to start from.
using Base = ContainerBuilder (*)();
// One shard; layer `a` with the tensor `a.weight`, two F32.
[[nodiscard]] ContainerBuilder one_tensor();
// One shard; layers `embed` (one tensor), `block` (two tensors and an empty one) and `head` (an
// alias of embed's tensor and a view into it); two attachments, one of them empty; metadata and a
// source.
[[nodiscard]] ContainerBuilder sample();
// Two shards, with a layer of one tensor each.
[[nodiscard]] ContainerBuilder two_shards();
// No shard; layers `a` (three empty tensors) and `b` (one); two empty attachments, metadata and two
// sources.
[[nodiscard]] ContainerBuilder no_payload();
// One shard; one tensor of 100,000 bytes in two chunks of a private codec, 200 bytes stored.
[[nodiscard]] ContainerBuilder coded();

// The steps at which a container can be broken: its rows, the bytes of its index, an envelope (of
// shard `shard`, or kNone for the index).
[[nodiscard]] Recipe with_rows(std::string name, Base base,
                               std::function<void(format::IndexContents&)> edit);
// As with_rows, and every tensor's checksum becomes that of its bytes.
[[nodiscard]] Recipe with_tensors(std::string name, Base base,
                                  std::function<void(format::IndexContents&)> edit);
[[nodiscard]] Recipe with_index(std::string name, Base base,
                                std::function<void(MutableBytes)> patch);
[[nodiscard]] Recipe with_envelope(std::string name, Base base, std::uint32_t shard,
                                   ContainerBuilder::EnvelopePatch patch);
// The same after the container was written: here nothing is made right again.
[[nodiscard]] Recipe with_files(std::string name, Base base,
                                std::function<void(const std::filesystem::path&)> damage);

// Turns a tensor into one without bytes.
void make_empty(format::IndexContents::Tensor& tensor);

// A whole number of an envelope, at its offset of SPEC section 4.
template <typename T>
ContainerBuilder::EnvelopePatch set_field(std::size_t offset, T value) {
  return [=](format::EnvelopeBytes& page) { base::store_le(&page[offset], value); };
}

}  // namespace wpack::testing
