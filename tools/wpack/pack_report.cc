#include "pack_report.h"

#include <fmt/format.h>

#include "human.h"
#include "process_usage.h"
#include "wpack/text.h"

namespace wpack::cli {
namespace {

using Align = Table::Align;

const SourceTensor& source_tensor(const SourceDescription& source, const PlannedTensor& planned) {
  return source.tensors.at(planned.source_index);
}

bool is_alias(const PlannedTensor& planned) { return planned.alias_of != PlannedTensor::kNotAlias; }

const std::string& alias_name(const SourceDescription& source, const PackPlan& plan,
                              const PlannedTensor& planned) {
  return source_tensor(source, plan.tensors.at(planned.alias_of)).name;
}

std::uint64_t alias_count(const PackPlan& plan) {
  std::uint64_t count = 0;
  for (const PlannedTensor& planned : plan.tensors) count += is_alias(planned) ? 1 : 0;
  return count;
}

void visit_planned_tensor(const SourceDescription& source, const PackPlan& plan,
                          const PlannedTensor& planned, const Table::Visit& visit) {
  const SourceTensor& tensor = source_tensor(source, planned);
  std::string note = fmt::format("{} {}", dtype_name(tensor.dtype), human_shape(tensor.shape));
  if (is_alias(planned)) {
    note += fmt::format(" = {}", escape_name(alias_name(source, plan, planned), 256));
  }
  visit({"  " + escape_name(tensor.name), "", human_size(tensor.nbytes), "", note});
}

void print_list(const PackCommand& command, std::string_view what,
                const std::vector<std::string>& lines, std::string_view noun,
                std::string_view description, Output& out) {
  if (lines.empty()) return;
  out.print(fmt::format("{}: {} {}{}\n", what, human_count(lines.size(), noun), description,
                        command.verbose ? "" : " (--verbose lists them)"));
  if (!command.verbose) return;
  for (const std::string& line : lines) out.print(fmt::format("  {}\n", one_line(line, 1024)));
}

// What the source holds and the container will not.
void print_left_out(const PackCommand& command, const SourceDescription& source,
                    std::uint64_t excluded_count, Output& out) {
  if (excluded_count > 0) {
    out.print(fmt::format("left out: {} (--include, --exclude)\n",
                          human_count(excluded_count, "tensor")));
  }
  print_list(command, "dropped", source.dropped_leaves, "value", "that the container does not keep",
             out);
  print_list(command, "left out", source.left_out_files, "file", "of the folder", out);
}

Json planned_tensor_json(const SourceDescription& source, const PackPlan& plan,
                         const PlannedTensor& planned) {
  const SourceTensor& tensor = source_tensor(source, planned);
  Json json;
  json["name"] = tensor.name;
  json["dtype"] = dtype_name(tensor.dtype);
  json["shape"] = tensor.shape;
  json["nbytes"] = tensor.nbytes;
  json["alias_of"] = is_alias(planned) ? Json(alias_name(source, plan, planned)) : Json(nullptr);
  return json;
}

Json attachments_json(const SourceDescription& source) {
  Json attachments = Json::array();
  for (const SourceAttachment& attachment : source.attachments) {
    attachments.push_back({{"name", attachment.name}, {"size", attachment.size}});
  }
  return attachments;
}

// "attached: 3 files, 12.3 kB", if there are any.
void print_attachments(const SourceDescription& source, Output& out) {
  if (source.attachments.empty()) return;
  std::uint64_t size = 0;
  for (const SourceAttachment& attachment : source.attachments) size += attachment.size;
  out.print(fmt::format("attached: {}, {}\n", human_count(source.attachments.size(), "file"),
                        human_size(size)));
}

void add_planned_layer(const SourceDescription& source, const PackPlan& plan,
                       const PlannedLayer& layer, JsonRows& rows) {
  rows.open_row({{"name", layer.name},
                 {"shard_number", layer.shard},
                 {"estimated_bytes", layer.estimated_size}},
                "tensors");
  for (std::uint64_t i = layer.tensor_begin; i < layer.tensor_end; ++i) {
    rows.add_to_list(planned_tensor_json(source, plan, plan.tensors.at(i)));
  }
  rows.close_row();
}

}  // namespace

void print_plan_text(const PackCommand& command, const SourceDescription& source,
                     const PackPlan& plan, Output& out) {
  out.commit();
  const auto for_each_row = [&](const Table::Visit& visit) {
    visit({"LAYER", "TENSORS", "ESTIMATED SIZE", "SHARD", ""});
    for (const PlannedLayer& layer : plan.layers) {
      visit({escape_name(layer.name), human_count(layer.tensor_end - layer.tensor_begin),
             human_size(layer.estimated_size), fmt::format("{}", layer.shard), ""});
      if (!command.verbose) continue;
      for (std::uint64_t i = layer.tensor_begin; i < layer.tensor_end; ++i)
        visit_planned_tensor(source, plan, plan.tensors.at(i), visit);
    }
  };
  Table::print({Align::kLeft, Align::kRight, Align::kRight, Align::kRight, Align::kLeft},
               for_each_row, [&](std::string_view line) { out.print(line); });
  out.print(fmt::format("{} ({} tied), {}, {}; {} to read, estimated {} to write at most\n",
                        human_count(plan.tensors.size(), "tensor"), human_count(alias_count(plan)),
                        human_count(plan.layers.size(), "layer"),
                        human_count(plan.shard_count, "shard"), human_size(plan.payload_bytes),
                        human_size(plan.estimated_bytes)));
  print_attachments(source, out);
  print_left_out(command, source, plan.excluded_count, out);
}

void print_plan_json(const PackCommand& command, const SourceDescription& source,
                     const PackPlan& plan, Output& out) {
  Json json;
  json["dry_run"] = true;
  json["source"] = command.source;
  json["source_format"] = source.format;
  json["tensor_count"] = plan.tensors.size();
  json["alias_count"] = alias_count(plan);
  json["layer_count"] = plan.layers.size();
  json["shard_count"] = plan.shard_count;
  json["payload_bytes"] = plan.payload_bytes;
  json["estimated_bytes"] = plan.estimated_bytes;
  json["excluded_count"] = plan.excluded_count;
  json["dropped"] = source.dropped_leaves;
  json["left_out"] = source.left_out_files;
  json["attachments"] = attachments_json(source);
  out.commit();
  JsonRows layers(out, "layers", json);
  for (const PlannedLayer& layer : plan.layers) add_planned_layer(source, plan, layer, layers);
}

void print_report_text(const PackCommand& command, const SourceDescription& source,
                       const PackReport& report, double seconds, Output& out) {
  out.print(fmt::format("{}: {} ({} tied), {}, {}, {}\n", escape_name(command.target),
                        human_count(report.tensor_count, "tensor"), human_count(report.alias_count),
                        human_count(report.layer_count, "layer"),
                        human_count(report.shard_count, "shard"),
                        human_size(report.container_bytes)));
  out.print(fmt::format("read {} in {} ({}), {} of them equal and stored once, peak RSS {}\n",
                        human_size(report.payload_bytes), human_duration(seconds),
                        human_rate(report.payload_bytes, seconds), human_size(report.shared_bytes),
                        human_size(process_usage().peak_rss_bytes)));
  print_attachments(source, out);
  print_left_out(command, source, report.excluded_count, out);
  print_swept(report.swept, out);
  if (!report.kept) return;
  out.print(
      fmt::format("kept what is left of the replaced container, for programs that still have it "
                  "open: {}; a later run removes it\n",
                  escape_name(*report.kept)));
}

void print_report_json(const PackCommand& command, const SourceDescription& source,
                       const PackReport& report, double seconds, Output& out) {
  Json json;
  json["dry_run"] = false;
  json["source"] = command.source;
  json["source_format"] = source.format;
  json["path"] = command.target;
  json["uuid"] = to_string(report.uuid);
  json["tensor_count"] = report.tensor_count;
  json["alias_count"] = report.alias_count;
  json["layer_count"] = report.layer_count;
  json["shard_count"] = report.shard_count;
  json["payload_bytes"] = report.payload_bytes;
  json["shared_bytes"] = report.shared_bytes;
  json["container_bytes"] = report.container_bytes;
  json["excluded_count"] = report.excluded_count;
  json["dropped"] = source.dropped_leaves;
  json["left_out"] = source.left_out_files;
  json["attachments"] = attachments_json(source);
  json["warnings"] = source.warnings;
  json["swept"] = report.swept;
  json["kept"] = report.kept ? Json(*report.kept) : Json(nullptr);
  json["seconds"] = seconds;
  json["bytes_per_second"] = bytes_per_second(report.payload_bytes, seconds);
  json["peak_rss_bytes"] = process_usage().peak_rss_bytes;
  out.print_json(json);
}

}  // namespace wpack::cli
