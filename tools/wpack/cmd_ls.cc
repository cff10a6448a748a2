// wpack ls CONTAINER [PATTERN]
#include <fmt/format.h>
#include <fnmatch.h>

#include <memory>

#include "command.h"
#include "human.h"
#include "wpack/container.h"
#include "wpack/text.h"

namespace wpack::cli {
namespace {

struct LsOptions {
  std::string container;
  std::string pattern;
  bool layers = false;
  bool attachments = false;
  bool json = false;
  OpenOptions open = {};
};

// Matches as --include does: `*` and `?` are special, and nothing else.
class NamePattern {
 public:
  explicit NamePattern(std::string_view pattern) : all_(pattern.empty()) {
    for (const char byte : pattern) {
      if (byte == '[' || byte == '\\') pattern_ += '\\';
      pattern_ += byte;
    }
  }
  [[nodiscard]] bool matches(std::string_view name) const {
    return all_ || ::fnmatch(pattern_.c_str(), std::string(name).c_str(), 0) == 0;
  }

 private:
  std::string pattern_;
  bool all_;
};

struct Listing {
  Container container;
  std::vector<ShardInfo> shards;
  std::vector<Layer> layers;
  NamePattern pattern;

  [[nodiscard]] std::string_view layer_name(const TensorInfo& tensor) const {
    return layers.at(tensor.layer).name();
  }
  [[nodiscard]] std::string tied_to(const TensorInfo& tensor) const {
    return std::string(container.tensor_info(tensor.alias_of).name);
  }
};

Json or_null(bool present, Json value) { return present ? std::move(value) : Json(nullptr); }

std::string_view codec_name(Codec codec) { return codec == Codec::kRaw ? "raw" : "unknown"; }

Json tensor_json(const Listing& listing, const TensorInfo& tensor) {
  const bool stored = tensor.shard != TensorInfo::kNone;
  const bool alias = tensor.alias_of != TensorInfo::kNone;
  Json row;
  row["name"] = tensor.name;
  row["dtype"] = dtype_name(tensor.dtype);
  row["shape"] = std::vector<std::uint64_t>(tensor.shape.begin(), tensor.shape.end());
  row["nbytes"] = tensor.nbytes;
  row["layer"] = listing.layer_name(tensor);
  row["shard"] = or_null(stored, stored ? listing.shards.at(tensor.shard).name : "");
  row["offset"] = or_null(stored, tensor.offset);
  row["codec"] = codec_name(tensor.codec);
  row["alias_of"] = or_null(alias, alias ? listing.tied_to(tensor) : "");
  return row;
}

std::string where(const Listing& listing, const TensorInfo& tensor) {
  std::string text = "-";
  if (tensor.shard != TensorInfo::kNone) {
    text = fmt::format("{}+{:#x}", listing.shards.at(tensor.shard).name, tensor.offset);
  }
  if (tensor.codec != Codec::kRaw) text += fmt::format(" ({})", codec_name(tensor.codec));
  if (tensor.alias_of != TensorInfo::kNone) {
    text += fmt::format(" = {}", escape_name(listing.tied_to(tensor), 256));
  }
  return text;
}

Error nothing_matches(const LsOptions& options, std::string_view kind) {
  return {ErrorCode::kNotFound,
          fmt::format("{}: no {} matches '{}'", escape_name(options.container), kind,
                      escape_name(options.pattern))};
}

// Calls `visit` for each tensor that is wanted: a list of them would be large.
template <typename Visit>
void for_each_tensor(const Listing& listing, Visit visit) {
  for (std::uint32_t id = 0; id < listing.container.tensor_count(); ++id) {
    const TensorInfo tensor = listing.container.tensor_info(id);
    if (listing.pattern.matches(tensor.name)) visit(tensor);
  }
}

Status list_tensors(const LsOptions& options, const Listing& listing, Output& out) {
  std::uint64_t count = 0;
  std::uint64_t size = 0;
  for_each_tensor(listing, [&](const TensorInfo& tensor) {
    ++count;
    if (tensor.alias_of == TensorInfo::kNone) size += tensor.nbytes;
  });
  if (count == 0 && !options.pattern.empty()) return nothing_matches(options, "tensor");
  out.commit();
  if (options.json) {
    JsonRows rows(out, "tensors");
    for_each_tensor(listing,
                    [&](const TensorInfo& tensor) { rows.add(tensor_json(listing, tensor)); });
    return {};
  }
  using Align = Table::Align;
  const auto for_each_row = [&](const Table::Visit& visit) {
    visit({"TENSOR", "DTYPE", "SHAPE", "SIZE", "WHERE"});
    for_each_tensor(listing, [&](const TensorInfo& tensor) {
      visit({escape_name(tensor.name), std::string(dtype_name(tensor.dtype)),
             human_shape(tensor.shape), human_size(tensor.nbytes), where(listing, tensor)});
    });
  };
  Table::print({Align::kLeft, Align::kLeft, Align::kLeft, Align::kRight, Align::kLeft},
               for_each_row, [&](std::string_view line) { out.print(line); });
  out.print(fmt::format("{}, {}\n", human_count(count, "tensor"), human_size(size)));
  return {};
}

Json layer_json(const Listing& listing, const LayerInfo& layer) {
  const bool stored = layer.range.size() > 0;
  Json row;
  row["name"] = layer.name;
  row["tensors"] = layer.tensor_end - layer.tensor_begin;
  row["nbytes"] = layer.nbytes;
  row["shard"] = or_null(stored, stored ? listing.shards.at(layer.shard).name : "");
  row["begin"] = or_null(stored, layer.range.begin);
  row["end"] = or_null(stored, layer.range.end);
  row["shared_extents"] = layer.foreign_extent_count;
  return row;
}

std::string layer_range(const Listing& listing, const LayerInfo& layer) {
  if (layer.range.size() == 0) return "-";
  return fmt::format("{}[{:#x}, {:#x})", listing.shards.at(layer.shard).name, layer.range.begin,
                     layer.range.end);
}

template <typename Visit>
void for_each_layer(const Listing& listing, Visit visit) {
  for (const Layer& layer : listing.layers) {
    if (listing.pattern.matches(layer.name())) visit(layer.info());
  }
}

Status list_layers(const LsOptions& options, const Listing& listing, Output& out) {
  std::uint64_t count = 0;
  for_each_layer(listing, [&](const LayerInfo& /*layer*/) { ++count; });
  if (count == 0 && !options.pattern.empty()) return nothing_matches(options, "layer");
  out.commit();
  if (options.json) {
    JsonRows rows(out, "layers");
    for_each_layer(listing, [&](const LayerInfo& layer) { rows.add(layer_json(listing, layer)); });
    return {};
  }
  using Align = Table::Align;
  const auto for_each_row = [&](const Table::Visit& visit) {
    visit({"LAYER", "TENSORS", "SIZE", "RANGE", "SHARED"});
    for_each_layer(listing, [&](const LayerInfo& layer) {
      visit({escape_name(layer.name), human_count(layer.tensor_end - layer.tensor_begin),
             human_size(layer.nbytes), layer_range(listing, layer),
             human_count(layer.foreign_extent_count)});
    });
  };
  Table::print({Align::kLeft, Align::kRight, Align::kRight, Align::kLeft, Align::kRight},
               for_each_row, [&](std::string_view line) { out.print(line); });
  out.print(fmt::format("{}\n", human_count(count, "layer")));
  return {};
}

Status list_attachments(const LsOptions& options, const Listing& listing, Output& out) {
  std::vector<AttachmentInfo> attachments;
  for (const AttachmentInfo& attachment : listing.container.attachments()) {
    if (listing.pattern.matches(attachment.name)) attachments.push_back(attachment);
  }
  if (attachments.empty() && !options.pattern.empty())
    return nothing_matches(options, "attachment");
  std::uint64_t size = 0;
  for (const AttachmentInfo& attachment : attachments) size += attachment.size;
  out.commit();
  if (options.json) {
    JsonRows rows(out, "attachments");
    for (const AttachmentInfo& attachment : attachments) {
      rows.add({{"name", attachment.name}, {"size", attachment.size}});
    }
    return {};
  }
  const auto for_each_row = [&](const Table::Visit& visit) {
    visit({"ATTACHMENT", "SIZE"});
    for (const AttachmentInfo& attachment : attachments) {
      visit({escape_name(attachment.name), human_size(attachment.size)});
    }
  };
  Table::print({Table::Align::kLeft, Table::Align::kRight}, for_each_row,
               [&](std::string_view line) { out.print(line); });
  out.print(
      fmt::format("{}, {}\n", human_count(attachments.size(), "attachment"), human_size(size)));
  return {};
}

Status run_ls(const LsOptions& options, Output& out) {
  WPACK_ASSIGN(Container container, Container::open(options.container, options.open));
  std::vector<ShardInfo> shards = container.shards();
  std::vector<Layer> layers = container.layers();
  const Listing listing{std::move(container), std::move(shards), std::move(layers),
                        NamePattern(options.pattern)};
  if (options.layers) return list_layers(options, listing, out);
  if (options.attachments) return list_attachments(options, listing, out);
  return list_tensors(options, listing, out);
}

}  // namespace

void add_ls_command(CLI::App& app, Action& action) {
  const auto options = std::make_shared<LsOptions>();
  CLI::App& command = add_command(
      app, {.name = "ls",
            .description = "list tensors, layers or attachments",
            .usage = "ls CONTAINER [PATTERN] [OPTIONS]",
            .examples =
                "  wpack ls model.wpack                            every tensor\n"
                "  wpack ls model.wpack '*.mlp.*'                  those whose names match\n"
                "  wpack ls model.wpack --layers                   the layers\n"
                "  wpack ls model.wpack --attachments              files that travelled along\n"
                "  wpack ls m.wpack --json | jq '.tensors[].name'  for programs\n"
                "\n"
                "Tensors and layers stand in the order of use. WHERE is the shard file and the\n"
                "offset in it; \"= NAME\" marks a tensor that was tied to another one and shares\n"
                "its bytes. SHARED counts byte ranges of other layers that a layer uses too."});
  add_value(command, "CONTAINER", options->container, "", "the container").required();
  add_value(command, "PATTERN", options->pattern, "",
            "only names that match: * is any run of characters, ? is one");
  const Option layers =
      add_flag(command, "--layers", options->layers, "list layers instead of tensors");
  add_flag(command, "--attachments", options->attachments, "list attachments instead of tensors")
      .excludes(layers);
  add_index_limit(command, options->open.max_index_bytes);
  add_json_flag(command, options->json);
  on_chosen(command, [options, &action] {
    action = [options](Output& out) { return run_ls(*options, out); };
  });
}

}  // namespace wpack::cli
