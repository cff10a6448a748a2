#include "crash/disk_model.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <linux/falloc.h>
#include <linux/fs.h>

#include <algorithm>
#include <stdexcept>

namespace wpack::crash {
namespace {

constexpr std::size_t kRoot = 0;
constexpr const char* kDirectory = "<directory>";  // as cli::tree() writes it
// Selections are tried one by one: more changes than this need a sync between them.
constexpr std::size_t kMaxEntryChanges = 12;

std::string relative(const std::string& path, const std::string& folder) {
  if (path == folder || path.empty()) return "";
  if (!path.starts_with(folder + "/")) throw std::runtime_error("changes " + path);
  return path.substr(folder.size() + 1);
}

std::runtime_error unknown(const SystemCall& call) {
  return std::runtime_error(
      fmt::format("the model does not know what {}({}) with {:#x}, {:#x} does", call.name,
                  call.path, call.arguments[2], call.arguments[4]));
}

// Throws if a flag has other bits than are understood.
void expect(bool understood, const SystemCall& call) {
  if (!understood) throw unknown(call);
}

std::optional<Change> change_of(const SystemCall& call, const std::string& folder) {
  using Kind = Change::Kind;
  const auto& arguments = call.arguments;
  Change change{.path = relative(call.path, folder),
                .second_path = relative(call.second_path, folder)};
  if (call.result < 0 || call.name == "sync_file_range") return std::nullopt;
  if (call.name == "fallocate") {
    expect(arguments[1] == FALLOC_FL_KEEP_SIZE, call);
    return std::nullopt;
  }
  if (call.name == "openat") {
    expect((arguments[2] & (O_CREAT | O_EXCL | O_TRUNC)) == (O_CREAT | O_EXCL), call);
    change.kind = Kind::kCreateFile;
  } else if (call.name == "mkdirat") {
    change.kind = Kind::kCreateDirectory;
  } else if (call.name == "pwrite64") {
    change.kind = Kind::kWrite;
    change.number = arguments[3];
    change.data = call.data.substr(0, static_cast<std::size_t>(call.result));
  } else if (call.name == "ftruncate") {
    change.kind = Kind::kResize;
    change.number = arguments[1];
  } else if (call.name == "fsync") {
    change.kind = Kind::kSync;
  } else if (call.name == "renameat" || call.name == "renameat2") {
    const auto flags = call.name == "renameat" ? 0 : arguments[4];
    expect(flags == 0 || flags == RENAME_NOREPLACE || flags == RENAME_EXCHANGE, call);
    change.kind = flags == RENAME_EXCHANGE ? Kind::kExchange : Kind::kRename;
  } else if (call.name == "unlinkat") {
    change.kind = Kind::kRemove;
  } else {
    throw unknown(call);
  }
  return change;
}

void apply_edit(std::string& contents, const std::optional<std::uint64_t>& size,
                std::uint64_t offset, const std::string& data) {
  if (size) return contents.resize(*size, '\0');
  contents.resize(std::max<std::size_t>(contents.size(), offset + data.size()), '\0');
  contents.replace(offset, data.size(), data);
}

}  // namespace

std::vector<Change> changes_of(const std::vector<SystemCall>& calls, const std::string& folder) {
  std::vector<Change> changes;
  for (const SystemCall& call : calls) {
    if (auto change = change_of(call, folder)) changes.push_back(*std::move(change));
  }
  return changes;
}

DiskModel::DiskModel(const Tree& tree) {
  add_node(true);
  for (const auto& [path, contents] : tree) {
    const NodeId id = add_node(contents == kDirectory);
    if (!nodes_[id].directory) nodes_[id].contents = contents;
    const Place place = place_of(path);
    nodes_[place.directory].entries[place.name] = id;
  }
  for (Node& node : nodes_) {
    node.synced_entries = node.entries;
    node.synced_contents = node.contents;
  }
}

DiskModel::NodeId DiskModel::add_node(bool directory) {
  nodes_.emplace_back().directory = directory;
  return nodes_.size() - 1;
}

DiskModel::NodeId DiskModel::node_of(const std::string& path) const {
  if (path.empty()) return kRoot;
  const Place place = place_of(path);
  return nodes_[place.directory].entries.at(place.name);
}

DiskModel::Place DiskModel::place_of(const std::string& path) const {
  const std::size_t slash = path.rfind('/');
  if (slash == std::string::npos) return {kRoot, path};
  return {node_of(path.substr(0, slash)), path.substr(slash + 1)};
}

void DiskModel::change_entries(NodeId directory, EntryChange change) {
  for (const auto& [name, node] : change) {
    nodes_[directory].entries.erase(name);
    if (node) nodes_[directory].entries.emplace(name, *node);
  }
  nodes_[directory].entry_changes.push_back(std::move(change));
}

void DiskModel::edit(NodeId file, Edit edit) {
  apply_edit(nodes_[file].contents, edit.size, edit.offset, edit.data);
  nodes_[file].edits.push_back(std::move(edit));
}

void DiskModel::apply(const Change& change) {
  using Kind = Change::Kind;
  if (change.kind == Kind::kSync) {
    Node& node = nodes_[node_of(change.path)];
    node.synced_entries = node.entries;
    node.entry_changes.clear();
    node.synced_contents = node.contents;
    node.edits.clear();
    return;
  }
  if (change.kind == Kind::kWrite)
    return edit(node_of(change.path), {.offset = change.number, .data = change.data});
  if (change.kind == Kind::kResize) return edit(node_of(change.path), {.size = change.number});
  const Place place = place_of(change.path);
  if (change.kind == Kind::kRemove)
    return change_entries(place.directory, {{place.name, std::nullopt}});
  if (change.kind == Kind::kCreateFile || change.kind == Kind::kCreateDirectory) {
    const NodeId node = add_node(change.kind == Kind::kCreateDirectory);
    return change_entries(place.directory, {{place.name, node}});
  }
  const Place target = place_of(change.second_path);
  if (target.directory != place.directory)
    throw std::runtime_error("the model knows renames within a directory alone");
  const NodeId node = node_of(change.path);
  std::optional<NodeId> other;
  if (change.kind == Kind::kExchange) other = node_of(change.second_path);
  change_entries(place.directory, {{place.name, other}, {target.name, node}});
}

std::size_t DiskModel::unsynced_entry_changes() const {
  std::size_t count = 0;
  for (const Node& node : nodes_) count += node.entry_changes.size();
  return count;
}

std::vector<DiskModel::Entries> DiskModel::entries_with(std::uint64_t selection) const {
  std::vector<Entries> all;
  for (const Node& node : nodes_) {
    Entries& entries = all.emplace_back(node.synced_entries);
    for (const EntryChange& change : node.entry_changes) {
      const bool reached = (selection & 1U) != 0;
      selection >>= 1U;
      if (!reached) continue;
      for (const auto& [name, to] : change) {
        entries.erase(name);
        if (to) entries.emplace(name, *to);
      }
    }
  }
  return all;
}

void DiskModel::collect(const std::vector<Entries>& entries, NodeId node, const std::string& path,
                        std::map<std::string, NodeId>& found) const {
  if (!path.empty()) found.emplace(path, node);
  for (const auto& [name, child] : entries[node])
    collect(entries, child, path.empty() ? name : path + "/" + name, found);
}

std::string DiskModel::contents_after(const Node& file, Loss loss) const {
  std::string contents = file.synced_contents;
  const std::size_t count = file.edits.size();
  if (loss == Loss::kLost) return contents;
  if (loss == Loss::kZeroed) {
    contents.resize(file.contents.size(), '\0');
    return contents;
  }
  for (std::size_t i = loss == Loss::kLastWrite && count > 0 ? count - 1 : 0;
       i < (loss == Loss::kFirstHalf ? count / 2 : count); ++i) {
    apply_edit(contents, file.edits[i].size, file.edits[i].offset, file.edits[i].data);
  }
  return contents;
}

Tree DiskModel::tree_of(const std::map<std::string, NodeId>& nodes, Loss loss,
                        std::optional<NodeId> only) const {
  Tree tree;
  for (const auto& [path, id] : nodes) {
    const Node& node = nodes_[id];
    const bool spared = only && *only != id;
    tree[path] = node.directory ? kDirectory : contents_after(node, spared ? Loss::kKept : loss);
  }
  return tree;
}

void DiskModel::for_each_state(const std::string& name, const See& see) const {
  constexpr const char* kWords[] = {"kept", "lost", "zeroed", "half written", "written last"};
  const std::size_t count = unsynced_entry_changes();
  if (count > kMaxEntryChanges) throw std::runtime_error("too many changes without a sync");
  for (std::uint64_t selection = 0; selection < std::uint64_t{1} << count; ++selection) {
    const std::vector<Entries> entries = entries_with(selection);
    std::map<std::string, NodeId> nodes;
    const auto found = entries[kRoot].find(name);
    if (found != entries[kRoot].end()) collect(entries, found->second, name, nodes);
    std::vector<NodeId> dirty;
    for (const auto& [path, id] : nodes) {
      if (!nodes_[id].edits.empty()) dirty.push_back(id);
    }
    for (const Loss loss : kLosses) {
      const std::string how = fmt::format("changes of entries {:b} of {}, data {}", selection,
                                          count, kWords[static_cast<int>(loss)]);
      see(tree_of(nodes, loss, std::nullopt), how);
      if (dirty.empty()) break;  // they are all alike
      if (dirty.size() == 1 || loss == Loss::kKept) continue;
      for (const NodeId id : dirty) see(tree_of(nodes, loss, id), how + " of one file");
    }
  }
}

Tree DiskModel::with_all_entries(Loss loss) const {
  std::map<std::string, NodeId> nodes;
  collect(entries_with(~std::uint64_t{0}), kRoot, "", nodes);
  return tree_of(nodes, loss, std::nullopt);
}

}  // namespace wpack::crash
