// The tree of files in memory, and what is open of it. For the sources that serve calls on it.
#pragma once

#include <dirent.h>
#include <sys/stat.h>

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace wpack::fuzz::memory {

inline constexpr int kFirstDescriptor = 1 << 20;  // above any of the system's
inline constexpr std::string_view kRoot = "/memory";

struct Node {
  bool directory = false;
  std::vector<std::byte> bytes = {};
  std::map<std::string, std::shared_ptr<Node>, std::less<>> entries = {};
  ino_t number = 0;
  std::int64_t changes = 0;
  int locked_by = -1;
};

using NodePointer = std::shared_ptr<Node>;

struct Mapping {
  std::byte* address = nullptr;
  std::size_t size = 0;
};

struct OpenDirectory {
  int descriptor = -1;
  std::vector<std::string> names;
  std::size_t next = 0;
  dirent entry{};
};

// One for the process. Whoever calls the functions below holds its mutex.
struct Files {
  std::mutex mutex;
  NodePointer root = std::make_shared<Node>(Node{.directory = true});
  std::vector<NodePointer> open;  // by descriptor - kFirstDescriptor
  std::vector<Mapping> mappings;
  std::vector<std::unique_ptr<OpenDirectory>> directories;
  ino_t next_number = 1;
  std::uint64_t random = 0;
  std::uint32_t calls_to_failure = 0;
  int failure = 0;
  bool failed = false;
};

[[nodiscard]] Files& files();

// Sets errno and returns -1.
int fail(int error);

// Counts a call that can fail on a real disk. Returns true, with errno set, if it is to fail.
[[nodiscard]] bool injected(Files& all);

// Returns the node that is open as `descriptor`; null if none is.
[[nodiscard]] Node* node_of(Files& all, int descriptor);

[[nodiscard]] NodePointer make_node(Files& all, bool directory);

// Where a path leads: the directory that holds its last component, and that component.
struct Place {
  Node* parent = nullptr;
  std::string_view name;  // empty: the root itself
};

// Follows `path`, from the open `directory` unless it is absolute. Nothing if it leads nowhere.
[[nodiscard]] std::optional<Place> find_place(Files& all, int directory, std::string_view path);

// Returns what is at `place`, which find_place() gave for `directory`; null if nothing is.
[[nodiscard]] NodePointer find_node(const Files& all, const Place& place, int directory);

}  // namespace wpack::fuzz::memory
