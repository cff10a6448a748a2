#include <fcntl.h>
#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "memory_calls.h"
#include "memory_tree.h"

namespace wpack::fuzz::memory {
namespace {

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

}  // namespace

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

}  // namespace wpack::fuzz::memory
