// A disk under a file system that promises no more than fsync: what may be on it after a power cut.
//
// What was synced is there: of a file its contents, of a directory its entries. Of the changes
// since then, a disk may hold any:
//  - of a directory, any selection of its changed entries (a rename, or an exchange, is one
//  change);
//  - of a file, all that was written, nothing, zeros of the right size, the first half of the
//    writes, or the last write alone.
// Real file systems lose less: most keep the order of changes to directories. What holds here holds
// there too.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "crash/scenario.h"

namespace wpack::crash {

// One call of a recorded run that changed the folder, or synced a part of it.
struct Change {
  enum class Kind {
    kCreateFile,
    kCreateDirectory,
    kWrite,
    kResize,
    kSync,
    kRename,
    kExchange,
    kRemove
  };
  Kind kind{};
  std::string path;  // relative to the folder; "" is the folder
  std::string second_path = {};
  std::uint64_t number = 0;  // offset of a write, new size
  std::string data = {};
};

// What the calls of a run come to; calls that failed or change nothing are left out.
// Throws std::runtime_error at a call whose effect the model does not know.
[[nodiscard]] std::vector<Change> changes_of(const std::vector<SystemCall>& calls,
                                             const std::string& folder);

// What becomes of data that was not synced.
enum class Loss { kKept, kLost, kZeroed, kFirstHalf, kLastWrite };
inline constexpr Loss kLosses[] = {Loss::kKept, Loss::kLost, Loss::kZeroed, Loss::kFirstHalf,
                                   Loss::kLastWrite};

class DiskModel {
 public:
  // Everything in `tree` is synced.
  explicit DiskModel(const Tree& tree);
  void apply(const Change& change);

  // Calls `see` with the part of the tree at and below `name`, for each state that a power cut may
  // leave it in now; with an empty tree where the name is absent.
  using See = std::function<void(const Tree& part, const std::string& how)>;
  void for_each_state(const std::string& name, const See& see) const;

  // The tree with all entries, and unsynced data lost in one way.
  [[nodiscard]] Tree with_all_entries(Loss loss) const;

 private:
  using NodeId = std::size_t;
  using Entries = std::map<std::string, NodeId>;
  // Names that change together, and what each leads to (nothing: it is gone).
  using EntryChange = std::vector<std::pair<std::string, std::optional<NodeId>>>;
  struct Edit {
    std::optional<std::uint64_t> size = {};  // of a resize
    std::uint64_t offset = 0;
    std::string data = {};
  };
  struct Node {
    bool directory = false;
    Entries entries;
    Entries synced_entries;
    std::vector<EntryChange> entry_changes;  // since the last sync
    std::string contents;
    std::string synced_contents;
    std::vector<Edit> edits;  // since the last sync
  };
  struct Place {
    NodeId directory;
    std::string name;
  };

  [[nodiscard]] NodeId node_of(const std::string& path) const;
  [[nodiscard]] Place place_of(const std::string& path) const;
  NodeId add_node(bool directory);
  void change_entries(NodeId directory, EntryChange change);
  void edit(NodeId file, Edit edit);

  // Which of the unsynced entry changes reached the disk: one bit each, directory by directory.
  [[nodiscard]] std::size_t unsynced_entry_changes() const;
  [[nodiscard]] std::vector<Entries> entries_with(std::uint64_t selection) const;
  void collect(const std::vector<Entries>& entries, NodeId node, const std::string& path,
               std::map<std::string, NodeId>& found) const;
  [[nodiscard]] std::string contents_after(const Node& file, Loss loss) const;
  [[nodiscard]] Tree tree_of(const std::map<std::string, NodeId>& nodes, Loss loss,
                             std::optional<NodeId> only) const;

  std::vector<Node> nodes_;  // the first is the folder
};

}  // namespace wpack::crash
