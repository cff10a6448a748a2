#include "memory_tree.h"

#include <algorithm>
#include <cerrno>

#include "memory_calls.h"

namespace wpack::fuzz::memory {

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

}  // namespace wpack::fuzz::memory
