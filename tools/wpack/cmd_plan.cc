// wpack plan CONTAINER
#include <fmt/format.h>

#include <memory>
#include <optional>
#include <utility>

#include "command.h"
#include "facts_report.h"
#include "human.h"
#include "profile_cache.h"
#include "rank_slices.h"
#include "wpack/container.h"
#include "wpack/explain.h"
#include "wpack/text.h"

namespace wpack::cli {
namespace {

struct PlanOptions {
  std::string container;
  OpenOptions open;
  std::vector<std::string> layers;
  std::vector<std::string> tensors;
  RankOptions rank;
  bool use_profile = true;
  bool json = false;

  [[nodiscard]] bool asks() const { return !layers.empty() || !tensors.empty() || rank.given(); }
};

// What would be read for a request.
struct RequestPlan {
  std::size_t tensor_count = 0;
  ReadPlan plan;
};

// Tensors of the layers that are named (of all, where a rank is asked for and none is), as far as
// the rank holds them, and the tensors that are named, whole.
Result<std::vector<SliceRequest>> requests_of(const Container& container,
                                              const PlanOptions& options) {
  std::vector<Layer> layers;
  for (const std::string& name : options.layers) {
    WPACK_ASSIGN(Layer layer, container.layer(name));
    layers.push_back(std::move(layer));
  }
  if (options.rank.given() && layers.empty() && options.tensors.empty())
    layers = container.layers();
  std::vector<SliceRequest> requests;
  if (options.rank.given()) {
    WPACK_ASSIGN(const RankSlices rank, RankSlices::open(container, options.rank));
    for (const Layer& layer : layers) {
      WPACK_ASSIGN(const std::vector<SliceRequest> slices, rank.of_layer(layer));
      requests.insert(requests.end(), slices.begin(), slices.end());
    }
  } else {
    for (const Layer& layer : layers) {
      for (std::uint32_t id = layer.info().tensor_begin; id < layer.info().tensor_end; ++id)
        requests.push_back({.tensor = id});
    }
  }
  for (const std::string& name : options.tensors) {
    const auto tensor = container.find(name);
    if (!tensor) {
      return Error(
          ErrorCode::kNotFound,
          fmt::format("{}: has no tensor '{}'", escape_name(options.container), escape_name(name)));
    }
    requests.push_back({.tensor = tensor->id});
  }
  return requests;
}

Result<std::optional<RequestPlan>> plan_request(const Container& container,
                                                const PlanOptions& options) {
  if (!options.asks()) return std::optional<RequestPlan>();
  WPACK_ASSIGN(const std::vector<SliceRequest> requests, requests_of(container, options));
  WPACK_ASSIGN(ReadPlan plan, container.plan_reads(requests));
  return std::optional(RequestPlan{requests.size(), std::move(plan)});
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
  Table table({Table::Align::kRight, Table::Align::kRight, Table::Align::kRight});
  table.add_row({"SHARD", "FROM", "SIZE"});
  for (const ShardRead& read : request.plan.reads) {
    table.add_row({std::to_string(read.shard), fmt::format("{:#x}", read.range.begin),
                   human_size(read.range.size())});
  }
  out.print("\n" + table.text());
  out.print(fmt::format("{}: {} needed, {} read in {} (over-read {:.3f})\n",
                        human_count(request.tensor_count, "tensor"), human_size(cost.needed_bytes),
                        human_size(cost.read_bytes), human_count(cost.read_count, "range"),
                        cost.over_read()));
}

void print_plan_json(const ContainerInfo& info, const Explanation& explanation,
                     const std::optional<RequestPlan>& request, Output& out) {
  Json json;
  json["path"] = info.path;
  json["uuid"] = to_string(info.uuid);
  json["host"] = host_json(explanation.host);
  json["request"] = request_json(request);
  json["profile"] = profile_json(explanation.profile);
  out.commit();
  JsonRows shards(out, "shards", json);
  for (const ShardExplanation& shard : explanation.shards) {
    shards.add({{"name", shard.name},
                {"file", file_json(shard.file)},
                {"choice", choice_json(shard.choice)}});
  }
}

void print_plan(const ContainerInfo& info, const Explanation& explanation, Output& out) {
  std::uint64_t size = 0;
  Table table({Table::Align::kLeft, Table::Align::kRight, Table::Align::kLeft});
  table.add_row({"SHARD", "SIZE", "READING"});
  for (const ShardExplanation& shard : explanation.shards) {
    table.add_row({shard.name, human_size(shard.file.size), choice_text(shard.choice)});
    add_reason_lines(table, shard.choice);
    size += shard.file.size;
  }
  out.print(table.text());
  if (explanation.profile) {
    Table profile({Table::Align::kLeft, Table::Align::kLeft});
    add_profile_rows(profile, *explanation.profile);
    out.print(profile.text());
  }
  out.print(fmt::format("{}: {}, {}\n", escape_name(info.path),
                        human_count(explanation.shards.size(), "shard"), human_size(size)));
}

Status run_plan(const PlanOptions& options, Output& out) {
  OpenOptions open = options.open;
  open.profile = find_profile(options.container, options.use_profile);
  WPACK_ASSIGN(const Container container, Container::open(options.container, open));
  WPACK_ASSIGN(const std::optional<RequestPlan> request, plan_request(container, options));
  WPACK_ASSIGN(const Explanation explanation, explain(container));
  const ContainerInfo info = container.info();
  if (options.json) {
    print_plan_json(info, explanation, request, out);
  } else {
    print_plan(info, explanation, out);
    if (request) print_request(*request, out);
  }
  return {};
}

}  // namespace

void add_plan_command(CLI::App& app, Action& action) {
  const auto options = std::make_shared<PlanOptions>();
  CLI::App& command = add_command(
      app, {.name = "plan",
            .description = "say how a container would be read, and why",
            .usage = "plan CONTAINER [OPTIONS]",
            .examples =
                "  wpack plan model.wpack                          what load would do now\n"
                "  wpack plan model.wpack --access read            ... with that option\n"
                "  wpack plan model.wpack --layer embed            and which bytes a layer takes\n"
                "  wpack plan m.wpack --json | jq '.shards[].choice'   for programs\n"
                "\n"
                "Reads no payload. Each shard has its own line, then the reasons, then what was\n"
                "passed over and why. What the page cache holds decides: ask again after a load."});
  add_value(command, "CONTAINER", options->container, "", "the container").required();
  add_value(command, "--layer", options->layers, "NAME",
            "also say which bytes this layer takes; may be given several times");
  add_value(command, "--tensor", options->tensors, "NAME",
            "also say which bytes this tensor takes; may be given several times");
  add_rank_options(command, options->rank);
  add_access(command, options->open.access);
  add_index_limit(command, options->open.max_index_bytes);
  add_profile_flag(command, options->use_profile);
  add_json_flag(command, options->json);
  on_chosen(command, [options, &action] {
    check_rank_options(options->rank);
    action = [options](Output& out) { return run_plan(*options, out); };
  });
}

}  // namespace wpack::cli
