// wpack doctor [PATH]
#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "command.h"
#include "facts_report.h"
#include "human.h"
#include "profile_cache.h"
#include "wpack/container.h"
#include "wpack/explain.h"
#include "wpack/host.h"
#include "wpack/text.h"

namespace wpack::cli {
namespace {

struct DoctorOptions {
  std::string path = ".";
  bool use_profile = true;
  bool json = false;
};

// What would be read, and how.
struct Plan {
  std::string name;
  ReadChoice choice;
};

bool is_container(const std::string& path) {
  std::error_code ignored;  // what cannot be looked into is none
  return std::filesystem::exists(std::filesystem::path(path) / "index.wpi", ignored);
}

// A container that does not open is a finding: it does not end the examination.
Fact<std::vector<Plan>> plans_for(const DoctorOptions& options, const HostReport& report,
                                  const std::optional<ReadProfile>& profile) {
  std::vector<Plan> plans;
  if (!is_container(options.path)) {
    plans.push_back({report.file.path, choose_reading(report, profile)});
    return plans;
  }
  WPACK_ASSIGN(const Container container, Container::open(options.path, {.profile = profile}));
  WPACK_ASSIGN(Explanation explanation, explain(container));
  for (ShardExplanation& shard : explanation.shards)
    plans.push_back({std::move(shard.name), std::move(shard.choice)});
  return plans;
}

void print_doctor_json(const DoctorOptions& options, const HostReport& report,
                       const std::optional<ReadProfile>& profile,
                       const Fact<std::vector<Plan>>& plans, Output& out) {
  Json json;
  json["path"] = options.path;
  json["host"] = host_json(report.host);
  json["file"] = file_json(report.file);
  json["profile"] = profile_json(profile);
  json["plan"] = nullptr;
  json["plan_unknown"] = nullptr;
  if (plans) {
    json["plan"] = Json::array();
    for (const Plan& plan : *plans)
      json["plan"].push_back({{"name", plan.name}, {"choice", choice_json(plan.choice)}});
  } else {
    json["plan_unknown"] = plans.error().message();
  }
  out.print_json(json);
}

void print_doctor(const HostReport& report, const std::optional<ReadProfile>& profile,
                  const Fact<std::vector<Plan>>& plans, Output& out) {
  constexpr std::size_t kMaxFailureSize = 1024;
  Table table({Table::Align::kLeft, Table::Align::kLeft});
  add_host_rows(table, report.host);
  add_file_rows(table, report.file);
  if (profile) add_profile_rows(table, *profile);
  if (plans) {
    std::vector<NamedChoice> choices;
    for (const Plan& plan : *plans) choices.push_back({plan.name, &plan.choice});
    for (const ChoiceGroup& group : group_by_choice(choices)) {
      table.add_row(
          {"plan", fmt::format("{}: {}", names_text(group), choice_text(*group.choices.front()))});
      add_group_reason_lines(table, group);
    }
  } else {
    table.add_row({"plan", "unknown: " + one_line(plans.error().message(), kMaxFailureSize)});
  }
  out.print(table.text());
}

Status run_doctor(const DoctorOptions& options, Output& out) {
  WPACK_ASSIGN(const HostReport report, inspect_host(options.path));
  const auto profile = find_profile(options.path, options.use_profile);
  const Fact<std::vector<Plan>> plans = plans_for(options, report, profile);
  if (options.json) {
    print_doctor_json(options, report, profile, plans, out);
  } else {
    print_doctor(report, profile, plans, out);
  }
  return {};
}

}  // namespace

void add_doctor_command(CLI::App& app, Action& action) {
  const auto options = std::make_shared<DoctorOptions>();
  CLI::App& command = add_command(
      app, {.name = "doctor",
            .description = "show what of this host decides how weights are read",
            .usage = "doctor [PATH] [OPTIONS]",
            .examples =
                "  wpack doctor                                    the current directory\n"
                "  wpack doctor model.wpack                        and how it would be read\n"
                "  wpack doctor /models --json | jq .host.engines  for programs\n"
                "\n"
                "PATH is a container, or any file or folder; the largest file of a folder stands\n"
                "for it. What this host does not tell is unknown, with the reason, and no\n"
                "failure. Reads no payload."});
  add_value(command, "PATH", options->path, "", "what to look at (default: the current directory)");
  add_profile_flag(command, options->use_profile);
  add_json_flag(command, options->json);
  on_chosen(command, [options, &action] {
    action = [options](Output& out) { return run_doctor(*options, out); };
  });
}

}  // namespace wpack::cli
