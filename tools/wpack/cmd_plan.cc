// wpack plan CONTAINER
#include <fmt/format.h>

#include <memory>
#include <optional>
#include <utility>

#include "command.h"
#include "facts_report.h"
#include "human.h"
#include "plan_request.h"
#include "profile_cache.h"
#include "wpack/container.h"
#include "wpack/explain.h"
#include "wpack/text.h"

namespace wpack::cli {
namespace {

struct PlanOptions {
  std::string container;
  OpenOptions open;
  PlanRequest request;
  bool use_profile = true;
  bool json = false;
};

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
                {"in_use", shard.in_use},
                {"file", file_json(shard.file)},
                {"choice", choice_json(shard.choice)},
                {"transfer", choice_json(shard.transfer)}});
  }
}

void print_plan(const ContainerInfo& info, const Explanation& explanation, Output& out) {
  std::uint64_t size = 0;
  Table table({Table::Align::kLeft, Table::Align::kRight, Table::Align::kLeft});
  table.add_row({"SHARD", "SIZE", "READING"});
  for (const ShardExplanation& shard : explanation.shards) {
    table.add_row({shard.name, human_size(shard.file.size), choice_text(shard.choice)});
    add_reason_lines(table, shard.choice);
    table.add_line("  transfer " + choice_text(shard.transfer));
    add_reason_lines(table, shard.transfer, "  ");
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
  // A full check would read everything, and is no part of a plan.
  const bool full = open.verify == VerifyPolicy::kFull;
  OpenOptions unchecked = open;
  if (full) unchecked.verify = VerifyPolicy::kTouch;
  WPACK_ASSIGN(const Container container, Container::open(options.container, unchecked));
  WPACK_ASSIGN(const std::optional<RequestPlan> request, plan_request(container, options.request));
  WPACK_ASSIGN(const Explanation explanation,
               full ? explain(options.container, open) : explain(container));
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
                "  wpack plan model.wpack --budget 2GiB            ... through 2 GiB of memory\n"
                "  wpack plan model.wpack --layer embed            and which bytes a layer takes\n"
                "  wpack plan m.wpack --json | jq '.shards[].choice'   for programs\n"
                "\n"
                "Reads no payload. Each shard has its own line, then the reasons, then what was\n"
                "passed over and why, and the same of a transfer into memory of a device or of\n"
                "the caller. What the page cache holds decides: ask again after a load."});
  add_value(command, "CONTAINER", options->container, "", "the container").required();
  add_request_options(command, options->request);
  add_verify(command, options->open.verify);
  add_access(command, options->open.access);
  add_budget(command, options->open.memory_budget);
  add_index_limit(command, options->open.max_index_bytes);
  add_profile_flag(command, options->use_profile);
  add_json_flag(command, options->json);
  on_chosen(command, [options, &action] {
    check_request_options(options->request);
    action = [options](Output& out) { return run_plan(*options, out); };
  });
}

}  // namespace wpack::cli
