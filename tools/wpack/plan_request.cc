#include "plan_request.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include "command.h"
#include "human.h"
#include "wpack/text.h"

namespace wpack::cli {
namespace {

// The last of the fields that a colon separates, which is taken from `text`; names may hold colons.
std::optional<std::uint64_t> take_last_number(std::string_view& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string_view field = text.substr(colon + 1);
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(field.data(), field.data() + field.size(), number);
  if (error != std::errc() || end != field.data() + field.size()) return std::nullopt;
  text = text.substr(0, colon);
  return number;
}

NamedSlice parse_slice(std::string_view text) {
  const auto end = take_last_number(text);
  const auto begin = take_last_number(text);
  const auto dim = take_last_number(text);
  if (!end || !begin || !dim || *dim >= TensorPart::kWhole)
    refuse_value("--slice", "it is no NAME:DIM:BEGIN:END, such as embed.weight:0:0:128");
  return {.tensor = std::string(text),
          .part = {.dim = static_cast<std::uint32_t>(*dim), .ranges = {{*begin, *end}}}};
}

Result<std::uint32_t> find_tensor(const Container& container, const std::string& name) {
  if (const auto tensor = container.find(name)) return tensor->id;
  return Error(
      ErrorCode::kNotFound,
      fmt::format("{}: has no tensor '{}'", escape_name(container.info().path), escape_name(name)));
}

// Those that are named; all, where that is asked for, or where a rank is and nothing is named.
Result<std::vector<Layer>> layers_of(const Container& container, const PlanRequest& request) {
  const bool named = !request.layers.empty() || !request.tensors.empty() || !request.slices.empty();
  if (request.all || (request.rank.given() && !named)) return container.layers();
  std::vector<Layer> layers;
  for (const std::string& name : request.layers) {
    WPACK_ASSIGN(Layer layer, container.layer(name));
    layers.push_back(std::move(layer));
  }
  return layers;
}

Result<std::vector<SliceRequest>> slices_of(const Container& container, const PlanRequest& request,
                                            const std::vector<Layer>& layers) {
  std::vector<SliceRequest> slices;
  for (const NamedSlice& slice : request.slices) {
    WPACK_ASSIGN(const std::uint32_t tensor, find_tensor(container, slice.tensor));
    slices.push_back({.tensor = tensor, .part = slice.part});
  }
  if (!request.rank.given()) return slices;
  WPACK_ASSIGN(const RankSlices rank, RankSlices::open(container, request.rank));
  for (const Layer& layer : layers) {
    WPACK_ASSIGN(const std::vector<SliceRequest> held, rank.of_layer(layer));
    slices.insert(slices.end(), held.begin(), held.end());
  }
  return slices;
}

// Reads that touch, in one row.
struct Row {
  ShardRead all;
  std::size_t count = 0;
};

std::vector<Row> rows_of(const std::vector<ShardRead>& reads) {
  std::vector<Row> rows;
  for (const ShardRead& read : reads) {
    const bool touches = !rows.empty() && rows.back().all.shard == read.shard &&
                         rows.back().all.range.end == read.range.begin;
    if (!touches) rows.push_back({.all = read});
    rows.back().all.range.end = read.range.end;
    ++rows.back().count;
  }
  return rows;
}

}  // namespace

void add_request_options(CLI::App& command, PlanRequest& request) {
  add_flag(command, "--all", request.all, "also say which bytes all layers take");
  add_value(command, "--layer", request.layers, "NAME",
            "also say which bytes this layer takes; may be given several times");
  add_value(command, "--tensor", request.tensors, "NAME",
            "also say which bytes this tensor takes; may be given several times");
  add_value(command, "--slice", request.slice_texts, "NAME:DIM:BEGIN:END",
            "also say which bytes these elements of a tensor take, counted from 0 along a "
            "dimension; may be given several times");
  add_rank_options(command, request.rank);
}

void check_request_options(PlanRequest& request) {
  check_rank_options(request.rank);
  for (const std::string& text : request.slice_texts) request.slices.push_back(parse_slice(text));
}

Result<std::optional<RequestPlan>> plan_request(const Container& container,
                                                const PlanRequest& request) {
  if (!request.given()) return std::optional<RequestPlan>();
  WPACK_ASSIGN(const std::vector<Layer> layers, layers_of(container, request));
  WPACK_ASSIGN(const std::vector<SliceRequest> slices, slices_of(container, request, layers));
  std::vector<std::uint32_t> whole_layers;
  std::vector<std::uint32_t> tensors;
  RequestPlan result{.tensor_count = slices.size() + request.tensors.size()};
  for (const Layer& layer : layers) {
    if (request.rank.given()) break;
    whole_layers.push_back(layer.info().id);
    result.tensor_count += layer.info().tensor_end - layer.info().tensor_begin;
  }
  for (const std::string& name : request.tensors) {
    WPACK_ASSIGN(const std::uint32_t tensor, find_tensor(container, name));
    tensors.push_back(tensor);
  }
  WPACK_ASSIGN(result.plan, container.plan_whole(whole_layers, tensors));
  WPACK_ASSIGN(const ReadPlan of_slices, container.plan_reads(slices));
  std::vector<ShardRead>& reads = result.plan.reads;
  reads.insert(reads.end(), of_slices.reads.begin(), of_slices.reads.end());
  std::ranges::stable_sort(
      reads, {}, [](const ShardRead& read) { return std::pair(read.shard, read.range.begin); });
  result.plan.cost += of_slices.cost;
  return std::optional(std::move(result));
}

Json request_json(const std::optional<RequestPlan>& request) {
  if (!request) return nullptr;
  const ReadCost& cost = request->plan.cost;
  Json json = {{"tensor_count", request->tensor_count},
               {"needed_bytes", cost.needed_bytes},
               {"read_bytes", cost.read_bytes},
               {"over_read", cost.over_read()},
               {"reads", Json::array()}};
  for (const ShardRead& read : request->plan.reads) {
    json["reads"].push_back(
        {{"shard", read.shard}, {"begin", read.range.begin}, {"end", read.range.end}});
  }
  return json;
}

void print_request(const RequestPlan& request, Output& out) {
  const ReadCost& cost = request.plan.cost;
  Table table(
      {Table::Align::kRight, Table::Align::kRight, Table::Align::kRight, Table::Align::kRight});
  table.add_row({"SHARD", "FROM", "SIZE", "READS"});
  for (const Row& row : rows_of(request.plan.reads)) {
    table.add_row({std::to_string(row.all.shard), fmt::format("{:#x}", row.all.range.begin),
                   human_size(row.all.range.size()), human_count(row.count)});
  }
  out.print("\n" + table.text());
  out.print(fmt::format("{}: {} needed, {} read in {} (over-read {:.3f})\n",
                        human_count(request.tensor_count, "tensor"), human_size(cost.needed_bytes),
                        human_size(cost.read_bytes), human_count(cost.read_count, "read"),
                        cost.over_read()));
}

}  // namespace wpack::cli
