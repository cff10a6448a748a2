#include "memory_files.h"

#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>

#include "memory_calls.h"

namespace wpack::fuzz {
namespace {

constexpr int kFirstDescriptor = 1 << 20;  // above any of the system's

constexpr std::string_view kRoot = "/memory";

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

// Never destroyed: the fuzzer's own exit may still close and unmap.
Files& files() {
  static auto* const all = new Files;
  return *all;
}

int fail(int error) {
  errno = error;
  return -1;
}

bool injected(Files& all) {
  if (all.calls_to_failure == 0 || --all.calls_to_failure > 0) return false;
  all.failed = true;
  errno = all.failure;
  return true;
}

Node* node_of(Files& all, int descriptor) {
  const auto at = static_cast<std::size_t>(descriptor - kFirstDescriptor);
  return memory::is_ours(descriptor) && at < all.open.size() ? all.open[at].get() : nullptr;
}

NodePointer make_node(Files& all, bool directory) {
  return std::make_shared<Node>(Node{.directory = directory, .number = all.next_number++});
}

// Where a path leads: the directory that holds its last component, and that component.
struct Place {
  Node* parent = nullptr;
  std::string_view name;  // empty: the root itself
};

std::optional<Place> find_place(Files& all, int directory, std::string_view path) {
  Node* at = nullptr;
  if (path.starts_with('/')) {
    at = all.root.get();
    path.remove_prefix(std::min(path.size(), kRoot.size() + 1));
  } else {
    at = node_of(all, directory);
  }
  for (;;) {
    if (at == nullptr || !at->directory) return std::nullopt;
    const std::size_t slash = path.find('/');
    if (slash == std::string_view::npos) return Place{at, path == "." ? "" : path};
    const auto next = at->entries.find(path.substr(0, slash));
    at = next == at->entries.end() ? nullptr : next->second.get();
    path.remove_prefix(slash + 1);
  }
}

NodePointer find_node(const Files& all, const Place& place, int directory) {
  if (place.name.empty()) {
    if (place.parent == all.root.get()) return all.root;
    return all.open[static_cast<std::size_t>(directory - kFirstDescriptor)];
  }
  const auto found = place.parent->entries.find(place.name);
  return found == place.parent->entries.end() ? nullptr : found->second;
}

int add_descriptor(Files& all, NodePointer node) {
  const auto free = std::ranges::find(all.open, nullptr);
  const auto at = static_cast<int>(free - all.open.begin());
  if (free == all.open.end()) {
    all.open.push_back(std::move(node));
  } else {
    *free = std::move(node);
  }
  return kFirstDescriptor + at;
}

void fill_status(const Node& node, struct stat* status) {
  *status = {};
  status->st_mode = node.directory ? S_IFDIR | 0777 : S_IFREG | 0666;
  status->st_size = static_cast<off_t>(node.bytes.size());
  status->st_ino = node.number;
  status->st_dev = 1;
  status->st_nlink = 1;
  status->st_mtim.tv_nsec = node.changes;
  status->st_ctim.tv_nsec = node.changes;
}

OpenDirectory* find_directory(Files& all, const void* stream) {
  const auto found = std::ranges::find(all.directories, stream,
                                       [](const auto& directory) { return directory.get(); });
  return found == all.directories.end() ? nullptr : found->get();
}

NodePointer node_at(Files& all, const std::string& path) {
  const auto place = find_place(all, -1, path);
  return place ? find_node(all, *place, -1) : nullptr;
}

}  // namespace

namespace memory {

bool is_ours(int descriptor) { return descriptor >= kFirstDescriptor; }

bool is_ours(int directory, std::string_view path) {
  if (path.starts_with('/'))
    return path.starts_with(kRoot) && (path.size() == kRoot.size() || path[kRoot.size()] == '/');
  return is_ours(directory);
}

int open_node(int directory, const char* path, int flags) {
  Files& all = files();
  const std::lock_guard lock(all.mutex);
  if (injected(all)) return -1;
  const auto place = find_place(all, directory, path);
  if (!place) return fail(ENOENT);
  NodePointer node = find_node(all, *place, directory);
  if (node == nullptr) {
    if ((flags & O_CREAT) == 0) return fail(ENOENT);
    node = make_node(all, false);
    place->parent->entries.emplace(place->name, node);
  } else if ((flags & O_CREAT) != 0 && (flags & O_EXCL) != 0) {
    return fail(EEXIST);
  }
  if ((flags & O_DIRECTORY) != 0 && !node->directory) return fail(ENOTDIR);
  if (node->directory && (flags & O_ACCMODE) != O_RDONLY) return fail(EISDIR);
  return add_descriptor(all, std::move(node));
}

int close_descriptor(int descriptor) {
  Files& all = files();
  const std::lock_guard lock(all.mutex);
  Node* node = node_of(all, descriptor);
  if (node == nullptr) return fail(EBADF);
  if (node->locked_by == descriptor) node->locked_by = -1;
  all.open[static_cast<std::size_t>(descriptor - kFirstDescriptor)] = nullptr;
  return 0;
}

ssize_t write_node(int descriptor, const void* bytes, std::size_t size, off_t offset) {
  Files& all = files();
  const std::lock_guard lock(all.mutex);
  if (injected(all)) return -1;
  Node* node = node_of(all, descriptor);
  if (node == nullptr || node->directory) return fail(EBADF);
  const auto end = static_cast<std::size_t>(offset) + size;
  if (node->bytes.size() < end) node->bytes.resize(end);
  std::memcpy(node->bytes.data() + offset, bytes, size);
  ++node->changes;
  return static_cast<ssize_t>(size);
}

ssize_t read_node(int descriptor, void* out, std::size_t size, off_t offset) {
  Files& all = files();
  const std::lock_guard lock(all.mutex);
  if (injected(all)) return -1;
  const Node* node = node_of(all, descriptor);
  if (node == nullptr || node->directory || offset < 0) return fail(EBADF);
  const auto begin = std::min(static_cast<std::size_t>(offset), node->bytes.size());
  size = std::min(size, node->bytes.size() - begin);
  if (size != 0) std::memcpy(out, node->bytes.data() + begin, size);
  return static_cast<ssize_t>(size);
}

int truncate_node(int descriptor, off_t size) {
  Files& all = files();
  const std::lock_guard lock(all.mutex);
  if (injected(all)) return -1;
  Node* node = node_of(all, descriptor);
  if (node == nullptr) return fail(EBADF);
  node->bytes.resize(static_cast<std::size_t>(size));
  ++node->changes;
  return 0;
}

// What only says yes, or fails: fsync, fallocate.
int acknowledge(int descriptor) {
  Files& all = files();
  const std::lock_guard lock(all.mutex);
  if (injected(all)) return -1;
  return node_of(all, descriptor) == nullptr ? fail(EBADF) : 0;
}

int make_directory(int directory, const char* path) {
  Files& all = files();
  const std::lock_guard lock(all.mutex);
  if (injected(all)) return -1;
  const auto place = find_place(all, directory, path);
  if (!place) return fail(ENOENT);
  if (!place->parent->entries.emplace(place->name, nullptr).second) return fail(EEXIST);
  place->parent->entries.find(place->name)->second = make_node(all, true);
  return 0;
}

int rename_node(int from_directory, const char* from, int to_directory, const char* to,
                unsigned flags) {
  Files& all = files();
  const std::lock_guard lock(all.mutex);
  if (injected(all)) return -1;
  const auto source = find_place(all, from_directory, from);
  const auto target = find_place(all, to_directory, to);
  if (!source || !target) return fail(ENOENT);
  const auto found = source->parent->entries.find(source->name);
  if (found == source->parent->entries.end()) return fail(ENOENT);
  const auto existing = target->parent->entries.find(target->name);
  const bool exists = existing != target->parent->entries.end();
  if ((flags & RENAME_EXCHANGE) != 0) {
    if (!exists) return fail(ENOENT);
    std::swap(found->second, existing->second);
    return 0;
  }
  if (exists && (flags & RENAME_NOREPLACE) != 0) return fail(EEXIST);
  if (exists && existing->second->directory && !existing->second->entries.empty())
    return fail(ENOTEMPTY);
  NodePointer node = std::move(found->second);
  source->parent->entries.erase(found);
  target->parent->entries.insert_or_assign(std::string(target->name), std::move(node));
  return 0;
}

int unlink_node(int directory, const char* path, int flags) {
  Files& all = files();
  const std::lock_guard lock(all.mutex);
  const auto place = find_place(all, directory, path);
  if (!place) return fail(ENOENT);
  const auto found = place->parent->entries.find(place->name);
  if (found == place->parent->entries.end()) return fail(ENOENT);
  const bool wants_directory = (flags & AT_REMOVEDIR) != 0;
  if (found->second->directory != wants_directory) return fail(wants_directory ? ENOTDIR : EISDIR);
  if (!found->second->entries.empty()) return fail(ENOTEMPTY);
  place->parent->entries.erase(found);
  return 0;
}

int lock_node(int descriptor) {
  Files& all = files();
  const std::lock_guard lock(all.mutex);
  Node* node = node_of(all, descriptor);
  if (node == nullptr) return fail(EBADF);
  if (node->locked_by != -1 && node->locked_by != descriptor) return fail(EWOULDBLOCK);
  node->locked_by = descriptor;
  return 0;
}

// A copy of what the file holds now: published files do not change.
void* map_node(int descriptor, std::size_t size) {
  Files& all = files();
  const std::lock_guard lock(all.mutex);
  const Node* node = node_of(all, descriptor);
  if (injected(all)) return MAP_FAILED;
  if (node == nullptr) {
    errno = EBADF;
    return MAP_FAILED;
  }
  constexpr std::size_t kPage = 4096;
  const std::size_t whole = (size + kPage - 1) / kPage * kPage;
  auto* address = static_cast<std::byte*>(std::aligned_alloc(kPage, whole));
  if (address == nullptr) return MAP_FAILED;
  const std::size_t held = std::min(size, node->bytes.size());
  if (held != 0) std::memcpy(address, node->bytes.data(), held);
  std::memset(address + held, 0, whole - held);
  all.mappings.push_back({address, size});
  return address;
}

bool unmap_node(void* address) {
  Files& all = files();
  const std::lock_guard lock(all.mutex);
  const auto found = std::ranges::find(all.mappings, address, &Mapping::address);
  if (found == all.mappings.end()) return false;
  std::free(found->address);
  all.mappings.erase(found);
  return true;
}

bool is_mapped(const void* address) {
  Files& all = files();
  const std::lock_guard lock(all.mutex);
  return std::ranges::any_of(all.mappings, [address](const Mapping& mapping) {
    return address >= mapping.address && address < mapping.address + mapping.size;
  });
}

int status_of(int descriptor, struct stat* status) {
  Files& all = files();
  const std::lock_guard lock(all.mutex);
  const Node* node = node_of(all, descriptor);
  if (node == nullptr) return fail(EBADF);
  fill_status(*node, status);
  return 0;
}

int status_at(int directory, const char* path, struct stat* status) {
  Files& all = files();
  const std::lock_guard lock(all.mutex);
  const auto place = find_place(all, directory, path);
  const NodePointer node = place ? find_node(all, *place, directory) : nullptr;
  if (node == nullptr) return fail(ENOENT);
  fill_status(*node, status);
  return 0;
}

void fill_random(void* out, std::size_t size) {
  Files& all = files();
  const std::lock_guard lock(all.mutex);
  ++all.random;
  std::memset(out, 0, size);
  std::memcpy(out, &all.random, std::min(size, sizeof all.random));
}

DIR* open_stream(int descriptor) {
  Files& all = files();
  const std::lock_guard lock(all.mutex);
  auto directory = std::make_unique<OpenDirectory>();
  directory->descriptor = descriptor;
  for (const auto& [name, node] : node_of(all, descriptor)->entries)
    directory->names.push_back(name);
  all.directories.push_back(std::move(directory));
  return reinterpret_cast<DIR*>(all.directories.back().get());
}

std::optional<dirent*> read_stream(DIR* stream) {
  Files& all = files();
  const std::lock_guard lock(all.mutex);
  OpenDirectory* directory = find_directory(all, stream);
  if (directory == nullptr) return std::nullopt;
  if (directory->next == directory->names.size()) return nullptr;
  const std::string& name = directory->names[directory->next++];
  (void)std::snprintf(directory->entry.d_name, sizeof directory->entry.d_name, "%s", name.c_str());
  return &directory->entry;
}

std::optional<int> close_stream(DIR* stream) {
  Files& all = files();
  int descriptor = -1;
  {
    const std::lock_guard lock(all.mutex);
    const OpenDirectory* directory = find_directory(all, stream);
    if (directory == nullptr) return std::nullopt;
    descriptor = directory->descriptor;
    std::erase_if(all.directories, [&](const auto& each) { return each.get() == directory; });
  }
  return close_descriptor(descriptor);
}

}  // namespace memory

std::size_t reset_memory_files() {
  Files& all = files();
  const std::lock_guard lock(all.mutex);
  const auto open = static_cast<std::size_t>(
      std::ranges::count_if(all.open, [](const NodePointer& node) { return node != nullptr; }));
  const std::size_t leaked = open + all.mappings.size() + all.directories.size();
  all.open.clear();
  all.root->entries.clear();
  all.next_number = 1;
  all.random = 0;
  all.calls_to_failure = 0;
  all.failed = false;
  return leaked;
}

void write_memory_file(const std::string& path, Bytes bytes) {
  Files& all = files();
  const std::lock_guard lock(all.mutex);
  const auto place = find_place(all, -1, path);
  const NodePointer node = make_node(all, false);
  node->bytes.assign(bytes.begin(), bytes.end());
  place->parent->entries.insert_or_assign(std::string(place->name), node);
}

std::vector<std::byte> read_memory_file(const std::string& path) {
  Files& all = files();
  const std::lock_guard lock(all.mutex);
  const NodePointer node = node_at(all, path);
  return node == nullptr ? std::vector<std::byte>() : node->bytes;
}

std::vector<std::string> list_memory_directory(const std::string& path) {
  Files& all = files();
  const std::lock_guard lock(all.mutex);
  std::vector<std::string> names;
  if (const NodePointer node = node_at(all, path); node != nullptr)
    for (const auto& [name, entry] : node->entries) names.push_back(name);
  return names;
}

void fail_memory_call(std::uint32_t count, int error) {
  Files& all = files();
  const std::lock_guard lock(all.mutex);
  all.calls_to_failure = count;
  all.failure = error;
  all.failed = false;
}

bool memory_call_failed() {
  Files& all = files();
  const std::lock_guard lock(all.mutex);
  return all.failed;
}

}  // namespace wpack::fuzz
