// wpack plan CONTAINER
#include <fmt/format.h>

#include <memory>

#include "command.h"
#include "facts_report.h"
#include "human.h"
#include "profile_cache.h"
#include "wpack/container.h"
#include "wpack/explain.h"
#include "wpack/text.h"

namespace wpack::cli {
namespace {

struct PlanOptions {
  std::string container;
  OpenOptions open;
  bool use_profile = true;
  bool json = false;
};

void print_plan_json(const ContainerInfo& info, const Explanation& explanation, Output& out) {
  Json json;
  json["path"] = info.path;
  json["uuid"] = to_string(info.uuid);
  json["host"] = host_json(explanation.host);
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
  WPACK_ASSIGN(const Explanation explanation, explain(container));
  const ContainerInfo info = container.info();
  if (options.json) {
    print_plan_json(info, explanation, out);
  } else {
    print_plan(info, explanation, out);
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
                "  wpack plan m.wpack --json | jq '.shards[].choice'   for programs\n"
                "\n"
                "Reads no payload. Each shard has its own line, then the reasons, then what was\n"
                "passed over and why. What the page cache holds decides: ask again after a load."});
  add_value(command, "CONTAINER", options->container, "", "the container")->required();
  add_access(command, options->open.access);
  add_index_limit(command, options->open.max_index_bytes);
  add_profile_flag(command, options->use_profile);
  add_json_flag(command, options->json);
  command.callback(
      [options, &action] { action = [options](Output& out) { return run_plan(*options, out); }; });
}

}  // namespace wpack::cli
