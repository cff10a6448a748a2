// What `wpack plan` was asked to plan: layers, tensors, slices or a rank, and which bytes they
// take.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "output.h"
#include "rank_slices.h"
#include "wpack/container.h"
#include "wpack/error.h"
#include "wpack/tensor_slice.h"

namespace wpack::cli {

// Elements of a tensor, as --slice names them.
struct NamedSlice {
  std::string tensor;
  TensorPart part;
};

struct PlanRequest {
  bool all = false;
  std::vector<std::string> layers;
  std::vector<std::string> tensors;
  std::vector<std::string> slice_texts;  // as they were given
  std::vector<NamedSlice> slices;
  RankOptions rank;

  [[nodiscard]] bool given() const {
    return all || !layers.empty() || !tensors.empty() || !slices.empty() || rank.given();
  }
};

void add_request_options(CLI::App& command, PlanRequest& request);

// For on_chosen: understands what was given, or refuses the command line.
void check_request_options(PlanRequest& request);

// What would be read for a request.
struct RequestPlan {
  std::size_t tensor_count = 0;
  ReadPlan plan = {};
};

// Plans layers and tensors as they are acquired, and slices, and what a rank holds of layers, as
// slices. Nullopt if nothing is asked for. Errors: kNotFound, and those of Container::plan_whole,
// Container::plan_reads and RankSlices.
[[nodiscard]] Result<std::optional<RequestPlan>> plan_request(const Container& container,
                                                              const PlanRequest& request);

// Null if there is none.
[[nodiscard]] Json request_json(const std::optional<RequestPlan>& request);
void print_request(const RequestPlan& request, Output& out);

}  // namespace wpack::cli
