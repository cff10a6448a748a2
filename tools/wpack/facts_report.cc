#include "facts_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "wpack/text.h"

namespace wpack::cli {
namespace {

// Adds `key` to `object`: the value as `show` turns it into JSON, or null and the reason.
template <typename T, typename Show>
void add_fact(Json& object, Json& unknown, const char* key, const Fact<T>& fact, Show show) {
  object[key] = nullptr;
  if (fact) {
    object[key] = show(*fact);
  } else {
    unknown[key] = fact.error().message();
  }
}

template <typename T>
Json plain(const T& value) {
  return value;
}

template <typename T, typename Show>
void add_fact_row(Table& table, const char* name, const Fact<T>& fact, Show show) {
  table.add_row({name, fact ? std::string(show(*fact))
                            : "unknown: " + one_line(fact.error().message(), kMaxReasonSize)});
}

std::string limit_text(const std::optional<std::uint64_t>& limit) {
  return limit ? human_size(*limit) : "no limit";
}

std::string cgroup_text(const std::optional<CgroupMemory>& memory) {
  if (!memory) return "no limit";
  return fmt::format("{} of {} left ({})", human_size(memory->available()),
                     human_size(memory->limit), escape_name(memory->directory, kMaxReasonSize));
}

std::string cpu_text(const HostFacts& host) {
  if (!host.usable_cpus)
    return "unknown: " + one_line(host.usable_cpus.error().message(), kMaxReasonSize);
  const std::string count = human_count(*host.usable_cpus);
  if (!host.cpu_quota) return count + " (quota unknown)";
  return *host.cpu_quota ? fmt::format("{}, limited to {:.2f} by a quota", count, **host.cpu_quota)
                         : count;
}

Json engines_json(const std::vector<EngineProbe>& engines) {
  Json rows = Json::array();
  for (const EngineProbe& engine : engines) {
    rows.push_back({{"name", engine.name},
                    {"works", !engine.refused.has_value()},
                    {"refused", engine.refused ? Json(engine.refused->message()) : Json(nullptr)}});
  }
  return rows;
}

Json alignment_json(const DirectAlignment& alignment) {
  return {{"memory", alignment.memory}, {"offset", alignment.offset}};
}

// The first writes to 10^9 bytes of fresh memory take so long.
std::string touch_text(const std::optional<std::uint64_t>& nanoseconds_per_mebibyte) {
  if (!nanoseconds_per_mebibyte) return "not measured";
  return fmt::format("{:.3f} s/GB", static_cast<double>(*nanoseconds_per_mebibyte) / (1 << 20));
}

std::string shape_text(const std::optional<ReadShape>& shape) {
  if (!shape) return "not measured";
  return fmt::format("{} of {} by {}", human_count(shape->depth, "request"),
                     human_size(shape->block_size), shape->engine);
}

std::string file_system_text(const FileSystemInfo& info) {
  return fmt::format("{} ({})", escape_name(info.type, kMaxReasonSize), to_string(info.kind));
}

// What each shard alone decides, such as how many of its bytes are in the page cache, may differ.
bool is_alike(const ReadChoice& a, const ReadChoice& b) {
  return a.method == b.method && a.engine == b.engine && a.block_size == b.block_size &&
         a.depth == b.depth &&
         std::ranges::equal(a.refused, b.refused, {}, &Refusal::what, &Refusal::what);
}

void add_reason(Table& table, const std::string& indent, const std::string& reason) {
  table.add_line(indent + "  because  " + one_line(reason, kMaxReasonSize));
}

void add_refusal(Table& table, const std::string& indent, const Refusal& refusal) {
  table.add_line(fmt::format("{}  not      {}: {}", indent, escape_name(refusal.what),
                             one_line(refusal.reason, kMaxReasonSize)));
}

// A reason that others of the group have in other words.
std::string of_one(const std::string& reason, const ChoiceGroup& group) {
  return fmt::format("{} ({})", reason, group.names.front());
}

std::string residency_text(std::uint64_t resident, std::uint64_t size) {
  if (size == 0) return "nothing to hold";
  return fmt::format("{} of {} ({:.0f} %)", human_size(resident), human_size(size),
                     100 * static_cast<double>(resident) / static_cast<double>(size));
}

}  // namespace

Json host_json(const HostFacts& host) {
  Json json;
  Json unknown = Json::object();
  add_fact(json, unknown, "kernel", host.kernel, plain<std::string>);
  add_fact(json, unknown, "usable_cpus", host.usable_cpus, plain<std::uint32_t>);
  add_fact(json, unknown, "cpu_quota", host.cpu_quota, optional_json<double>);
  add_fact(json, unknown, "available_memory", host.available_memory, plain<std::uint64_t>);
  add_fact(json, unknown, "cgroup_memory", host.cgroup_memory,
           [](const std::optional<CgroupMemory>& memory) -> Json {
             if (!memory) return nullptr;
             return {{"directory", memory->directory},
                     {"limit", memory->limit},
                     {"usage", memory->usage},
                     {"reclaimable", memory->reclaimable},
                     {"available", memory->available()}};
           });
  add_fact(json, unknown, "locked_memory_limit", host.locked_memory_limit,
           optional_json<std::uint64_t>);
  add_fact(json, unknown, "open_file_limit", host.open_file_limit, optional_json<std::uint64_t>);
  add_fact(json, unknown, "transparent_huge_pages", host.transparent_huge_pages,
           plain<std::string>);
  add_fact(json, unknown, "huge_page_pool", host.huge_page_pool, [](const HugePagePool& pool) {
    return Json{{"free_count", pool.free_count}, {"page_size", pool.page_size}};
  });
  add_fact(json, unknown, "aio_requests", host.aio_requests, [](const AioRequests& requests) {
    return Json{{"reserved", requests.reserved}, {"limit", requests.limit}};
  });
  add_fact(json, unknown, "reads_mappings_in", host.reads_mappings_in, plain<bool>);
  json["engines"] = engines_json(host.engines);
  json["unknown"] = std::move(unknown);
  return json;
}

Json file_json(const FileFacts& file) {
  Json json;
  Json unknown = Json::object();
  json["path"] = file.path;
  json["size"] = file.size;
  add_fact(json, unknown, "file_system", file.file_system, [](const FileSystemInfo& info) {
    return Json{{"type", info.type}, {"kind", to_string(info.kind)}};
  });
  add_fact(json, unknown, "mount", file.mount, [](const MountInfo& mount) {
    return Json{{"point", mount.point}, {"source", mount.source}, {"options", mount.options}};
  });
  add_fact(json, unknown, "device", file.device, [](const BlockDeviceInfo& device) {
    return Json{{"number", device.number},
                {"logical_block_size", device.logical_block_size},
                {"rotational", device.rotational}};
  });
  add_fact(json, unknown, "kernel_readahead", file.kernel_readahead, plain<std::uint64_t>);
  add_fact(json, unknown, "direct_alignment", file.direct_alignment, alignment_json);
  add_fact(json, unknown, "resident", file.resident, plain<std::uint64_t>);
  json["unknown"] = std::move(unknown);
  return json;
}

Json choice_json(const ReadChoice& choice) {
  Json refused = Json::array();
  for (const Refusal& refusal : choice.refused)
    refused.push_back({{"what", refusal.what}, {"reason", refusal.reason}});
  return {{"method", to_string(choice.method)},
          {"engine", choice.engine.empty() ? Json(nullptr) : Json(choice.engine)},
          {"block_size", choice.block_size},
          {"depth", choice.depth},
          {"direct", choice.direct ? alignment_json(*choice.direct) : Json(nullptr)},
          {"fault_threads", choice.fault_threads},
          {"first_touch_ns_per_mebibyte", optional_json(choice.first_touch)},
          {"reasons", choice.reasons},
          {"refused", std::move(refused)}};
}

Json shape_json(const std::optional<ReadShape>& shape) {
  if (!shape) return nullptr;
  return {{"engine", shape->engine}, {"block_size", shape->block_size}, {"depth", shape->depth}};
}

Json profile_json(const std::optional<ReadProfile>& profile) {
  if (!profile) return nullptr;
  return {{"kernel", profile->kernel},
          {"device", profile->device},
          {"file_system", profile->file_system},
          {"direct", shape_json(profile->direct)},
          {"buffered", shape_json(profile->buffered)},
          {"first_touch_ns_per_mebibyte",
           {{"small_pages", optional_json(profile->first_touch.small_pages)},
            {"huge_pages", optional_json(profile->first_touch.huge_pages)}}}};
}

void add_host_rows(Table& table, const HostFacts& host) {
  const auto as_is = [](const std::string& text) { return escape_name(text, kMaxReasonSize); };
  add_fact_row(table, "kernel", host.kernel, as_is);
  table.add_row({"processors", cpu_text(host)});
  add_fact_row(table, "memory available", host.available_memory, human_size);
  add_fact_row(table, "cgroup memory", host.cgroup_memory, cgroup_text);
  add_fact_row(table, "locked memory", host.locked_memory_limit, limit_text);
  add_fact_row(table, "open files", host.open_file_limit,
               [](const std::optional<std::uint64_t>& limit) {
                 return limit ? human_count(*limit) : std::string("no limit");
               });
  add_fact_row(table, "transparent huge pages", host.transparent_huge_pages, as_is);
  add_fact_row(table, "huge page pool", host.huge_page_pool, [](const HugePagePool& pool) {
    return fmt::format("{} free of {}", human_count(pool.free_count), human_size(pool.page_size));
  });
  add_fact_row(table, "libaio requests", host.aio_requests, [](const AioRequests& requests) {
    return fmt::format("{} of {} reserved", human_count(requests.reserved),
                       human_count(requests.limit));
  });
  add_fact_row(table, "reading mappings in", host.reads_mappings_in, [](bool works) {
    return works ? "works" : "not before Linux 5.14: pages come with the first touch";
  });
  for (const EngineProbe& engine : host.engines) {
    table.add_row({fmt::format("engine {}", engine.name),
                   engine.refused
                       ? "refused: " + one_line(engine.refused->message(), kMaxReasonSize)
                       : "works"});
  }
}

void add_file_rows(Table& table, const FileFacts& file) {
  table.add_row({"file", fmt::format("{} ({})", escape_name(file.path), human_size(file.size))});
  add_fact_row(table, "file system", file.file_system, file_system_text);
  add_fact_row(table, "mount", file.mount, [](const MountInfo& mount) {
    return fmt::format("{} from {} ({})", escape_name(mount.point, kMaxReasonSize),
                       escape_name(mount.source, kMaxReasonSize),
                       escape_name(mount.options, kMaxReasonSize));
  });
  add_fact_row(table, "device", file.device, [](const BlockDeviceInfo& device) {
    return fmt::format("{}, blocks of {}{}", device.number, human_size(device.logical_block_size),
                       device.rotational ? ", rotational" : "");
  });
  add_fact_row(table, "kernel readahead", file.kernel_readahead, human_size);
  add_fact_row(table, "direct input", file.direct_alignment, [](const DirectAlignment& alignment) {
    return fmt::format("memory aligned to {} B, offsets to {} B", alignment.memory,
                       alignment.offset);
  });
  add_fact_row(table, "in the page cache", file.resident,
               [&file](std::uint64_t resident) { return residency_text(resident, file.size); });
}

void add_profile_rows(Table& table, const ReadProfile& profile) {
  table.add_row({"profile of", fmt::format("{} on device {}, kernel {}",
                                           escape_name(profile.file_system, kMaxReasonSize),
                                           escape_name(profile.device, kMaxReasonSize),
                                           escape_name(profile.kernel, kMaxReasonSize))});
  table.add_row({"tuned direct reads", shape_text(profile.direct)});
  table.add_row({"tuned buffered reads", shape_text(profile.buffered)});
  table.add_row({"first touch",
                 fmt::format("{}, with huge pages {}", touch_text(profile.first_touch.small_pages),
                             touch_text(profile.first_touch.huge_pages))});
}

std::string choice_text(const ReadChoice& choice) {
  std::string text(to_string(choice.method));
  if (!choice.engine.empty()) text += " by " + escape_name(choice.engine);
  if (choice.depth == 0) return text;
  return text + fmt::format(", {} of {}", human_count(choice.depth, "request"),
                            human_size(choice.block_size));
}

void add_reason_lines(Table& table, const ReadChoice& choice, const std::string& indent) {
  for (const std::string& reason : choice.reasons) add_reason(table, indent, reason);
  for (const Refusal& refusal : choice.refused) add_refusal(table, indent, refusal);
}

std::vector<ChoiceGroup> group_by_choice(const std::vector<NamedChoice>& choices) {
  std::vector<ChoiceGroup> groups;
  for (const NamedChoice& named : choices) {
    const auto found = std::ranges::find_if(groups, [&named](const ChoiceGroup& group) {
      return is_alike(*group.choices.front(), *named.choice);
    });
    ChoiceGroup& group = found == groups.end() ? groups.emplace_back() : *found;
    group.names.push_back(named.name);
    group.choices.push_back(named.choice);
  }
  return groups;
}

std::string names_text(const ChoiceGroup& group) {
  std::string first = escape_name(group.names.front());
  if (group.names.size() == 1) return first;
  return fmt::format("{} and {} more", first, human_count(group.names.size() - 1));
}

void add_group_reason_lines(Table& table, const ChoiceGroup& group) {
  const ReadChoice& first = *group.choices.front();
  for (const std::string& reason : first.reasons) {
    const bool shared = std::ranges::all_of(group.choices, [&reason](const ReadChoice* choice) {
      return std::ranges::find(choice->reasons, reason) != choice->reasons.end();
    });
    add_reason(table, "", shared ? reason : of_one(reason, group));
  }
  for (std::size_t i = 0; i < first.refused.size(); ++i) {
    Refusal refusal = first.refused[i];
    const bool shared = std::ranges::all_of(group.choices, [&](const ReadChoice* choice) {
      return choice->refused[i].reason == refusal.reason;
    });
    if (!shared) refusal.reason = of_one(refusal.reason, group);
    add_refusal(table, "", refusal);
  }
}

}  // namespace wpack::cli
