// wpack inspect CONTAINER|FILE
#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "command.h"
#include "human.h"
#include "wpack/container.h"
#include "wpack/text.h"
#include "wpack/verify.h"

namespace wpack::cli {
namespace {

struct InspectOptions {
  std::string path;
  bool json = false;
  OpenOptions open = {};
};

constexpr std::size_t kMaxShownValueSize = 200;

std::string_view type_name(MetadataType type) {
  switch (type) {
    case MetadataType::kString:
      return "string";
    case MetadataType::kInteger:
      return "integer";
    case MetadataType::kFloat:
      return "float";
    case MetadataType::kBool:
      return "bool";
    case MetadataType::kNone:
      return "none";
  }
  return "unknown";
}

std::string_view origin_name(MetadataOrigin origin) {
  switch (origin) {
    case MetadataOrigin::kSafetensors:
      return "safetensors";
    case MetadataOrigin::kCheckpoint:
      return "checkpoint";
  }
  return "unknown";
}

std::string digest_text(const SourceFile& file) {
  return fmt::format("{:016x}{:016x}", file.digest_high, file.digest_low);
}

std::string format_text(std::uint16_t format_major, std::uint16_t format_minor) {
  return fmt::format("{}.{}", format_major, format_minor);
}

// Bytes of the files that are no tensor's and no attachment's: envelopes, index, padding. Negative
// when coding saved more than they take.
std::int64_t overhead_bytes(const ContainerInfo& info) {
  return static_cast<std::int64_t>(info.file_bytes - info.payload_bytes);
}

Json sources_json(const Container& container) {
  Json sources = Json::array();
  for (const SourceFile& file : container.sources()) {
    sources.push_back({{"name", file.name}, {"size", file.size}, {"digest", digest_text(file)}});
  }
  return sources;
}

Json shards_json(const Container& container) {
  Json shards = Json::array();
  for (const ShardInfo& shard : container.shards()) {
    shards.push_back({{"name", shard.name}, {"file_size", shard.file_size}});
  }
  return shards;
}

Json stored_attachments_json(const Container& container) {
  Json attachments = Json::array();
  for (const AttachmentInfo& attachment : container.attachments()) {
    attachments.push_back({{"name", attachment.name}, {"size", attachment.size}});
  }
  return attachments;
}

Json entry_json(const MetadataEntry& entry) {
  return {{"key", entry.key},
          {"value", entry.value},
          {"type", type_name(entry.type)},
          {"origin", origin_name(entry.origin)}};
}

void print_container_json(const Container& container, Output& out) {
  const ContainerInfo info = container.info();
  Json json;
  json["kind"] = "container";
  json["path"] = info.path;
  json["uuid"] = to_string(info.uuid);
  json["format"] = format_text(info.format_major, info.format_minor);
  json["producer"] = info.producer;
  json["source_format"] = info.source_format;
  json["tensor_count"] = info.tensor_count;
  json["layer_count"] = info.layer_count;
  json["shard_count"] = info.shard_count;
  json["extent_count"] = info.extent_count;
  json["chunk_count"] = info.chunk_count;
  json["alias_count"] = info.alias_count;
  json["index_bytes"] = info.index_bytes;
  json["payload_bytes"] = info.payload_bytes;
  json["file_bytes"] = info.file_bytes;
  json["overhead_bytes"] = overhead_bytes(info);
  json["sources"] = sources_json(container);
  json["shards"] = shards_json(container);
  json["attachments"] = stored_attachments_json(container);
  out.commit();
  JsonRows metadata(out, "metadata", json);
  for (const MetadataEntry& entry : container.metadata()) metadata.add(entry_json(entry));
}

Table facts_table() { return Table({Table::Align::kLeft, Table::Align::kLeft}); }

std::string overhead_text(const ContainerInfo& info) {
  const std::int64_t overhead = overhead_bytes(info);
  const double percent = info.payload_bytes == 0 ? 0
                                                 : 100 * static_cast<double>(overhead) /
                                                       static_cast<double>(info.payload_bytes);
  const auto size = static_cast<std::uint64_t>(overhead < 0 ? -overhead : overhead);
  return fmt::format("{}{} ({:.2f} %)", overhead < 0 ? "-" : "", human_size(size), percent);
}

void print_facts(const ContainerInfo& info, Output& out) {
  Table facts = facts_table();
  facts.add_row({"container", escape_name(info.path)});
  facts.add_row({"uuid", to_string(info.uuid)});
  facts.add_row({"format", format_text(info.format_major, info.format_minor)});
  facts.add_row({"producer", escape_name(info.producer)});
  facts.add_row({"source format", escape_name(info.source_format)});
  facts.add_row({"tensors", fmt::format("{} ({} tied)", human_count(info.tensor_count),
                                        human_count(info.alias_count))});
  facts.add_row({"layers", human_count(info.layer_count)});
  facts.add_row({"shards", human_count(info.shard_count)});
  facts.add_row({"extents", fmt::format("{} in {}", human_count(info.extent_count),
                                        human_count(info.chunk_count, "chunk"))});
  facts.add_row({"payload", human_size(info.payload_bytes)});
  facts.add_row({"index", human_size(info.index_bytes)});
  facts.add_row({"files", human_size(info.file_bytes)});
  facts.add_row({"overhead", overhead_text(info)});
  out.print(facts.text());
}

void print_lists(const Container& container, Output& out) {
  Table lists = Table({Table::Align::kLeft, Table::Align::kRight, Table::Align::kLeft});
  lists.add_line("sources:");
  for (const SourceFile& file : container.sources()) {
    lists.add_row({"  " + escape_name(file.name), human_size(file.size), digest_text(file)});
  }
  lists.add_line("shards:");
  for (const ShardInfo& shard : container.shards()) {
    lists.add_row({"  " + shard.name, human_size(shard.file_size), ""});
  }
  const auto attachments = container.attachments();
  if (!attachments.empty()) lists.add_line("attachments:");
  for (const AttachmentInfo& attachment : attachments) {
    lists.add_row({"  " + escape_name(attachment.name), human_size(attachment.size), ""});
  }
  const auto metadata = container.metadata();
  if (!metadata.empty()) lists.add_line("metadata:");
  for (const MetadataEntry& entry : metadata) {
    lists.add_line(fmt::format("  {} = {} ({})", escape_name(entry.key),
                               escape_name(entry.value, kMaxShownValueSize),
                               type_name(entry.type)));
  }
  out.print(lists.text());
}

Status inspect_container(const InspectOptions& options, Output& out) {
  WPACK_ASSIGN(const Container container, Container::open(options.path, options.open));
  if (options.json) {
    print_container_json(container, out);
  } else {
    print_facts(container.info(), out);
    print_lists(container, out);
  }
  return {};
}

void print_envelope_json(const std::string& path, const EnvelopeInfo& info, Output& out) {
  Json json;
  json["kind"] = info.index ? "index" : "shard";
  json["path"] = path;
  json["uuid"] = to_string(info.uuid);
  json["format"] = format_text(info.format_major, info.format_minor);
  json["shard_number"] = info.index ? Json(nullptr) : Json(info.shard_number);
  json["shard_count"] = info.shard_count;
  json["file_size"] = info.file_size;
  json["data_begin"] = info.data.begin;
  json["data_end"] = info.data.end;
  json["incompatible_flags"] = info.incompatible_flags;
  json["compatible_flags"] = info.compatible_flags;
  json["envelope_hash"] = fmt::format("{:016x}", info.envelope_hash);
  out.print_json(json);
}

void print_envelope(const std::string& path, const EnvelopeInfo& info, Output& out) {
  Table facts = facts_table();
  facts.add_row({"file", escape_name(path)});
  facts.add_row({"kind", info.index ? fmt::format("index of a container of {}",
                                                  human_count(info.shard_count, "shard"))
                                    : fmt::format("shard {} of {} (counted from 0)",
                                                  info.shard_number, info.shard_count)});
  facts.add_row({"uuid", to_string(info.uuid)});
  facts.add_row({"format", format_text(info.format_major, info.format_minor)});
  facts.add_row({"file size", fmt::format("{} ({} B)", human_size(info.file_size),
                                          human_count(info.file_size))});
  facts.add_row({"data", fmt::format("[{:#x}, {:#x})", info.data.begin, info.data.end)});
  facts.add_row({"flags", fmt::format("incompatible {:#x}, compatible {:#x}",
                                      info.incompatible_flags, info.compatible_flags)});
  facts.add_row({"envelope hash", fmt::format("{:016x}", info.envelope_hash)});
  out.print(facts.text());
}

Status run_inspect(const InspectOptions& options, Output& out) {
  std::error_code ignored;  // what is missing or unreadable is reported by the file's own opening
  if (std::filesystem::is_directory(options.path, ignored)) return inspect_container(options, out);
  WPACK_ASSIGN(const EnvelopeInfo info, inspect_file(options.path));
  if (options.json) {
    print_envelope_json(options.path, info, out);
  } else {
    print_envelope(options.path, info, out);
  }
  return {};
}

}  // namespace

void add_inspect_command(CLI::App& app, Action& action) {
  const auto options = std::make_shared<InspectOptions>();
  CLI::App& command = add_command(
      app,
      {.name = "inspect",
       .description = "show identity, origin, counts and sizes",
       .usage = "inspect CONTAINER|FILE [OPTIONS]",
       .examples = "  wpack inspect model.wpack                       the whole container\n"
                   "  wpack inspect model.wpack --json | jq .uuid     for programs\n"
                   "  wpack inspect model.wpack/00000.wps             the envelope of one shard\n"
                   "  wpack inspect model.wpack/index.wpi             the envelope of the index"});
  add_value(command, "PATH", options->path, "", "a container, or one .wpi or .wps file").required();
  add_index_limit(command, options->open.max_index_bytes);
  add_json_flag(command, options->json);
  on_chosen(command, [options, &action] {
    action = [options](Output& out) { return run_inspect(*options, out); };
  });
}

}  // namespace wpack::cli
