#include "memory_files.h"

#include <algorithm>

#include "memory_tree.h"

namespace wpack::fuzz {
namespace {

memory::NodePointer node_at(memory::Files& all, const std::string& path) {
  const auto place = memory::find_place(all, -1, path);
  return place ? memory::find_node(all, *place, -1) : nullptr;
}

}  // namespace

std::size_t reset_memory_files() {
  memory::Files& all = memory::files();
  const std::lock_guard lock(all.mutex);
  const auto open = static_cast<std::size_t>(std::ranges::count_if(
      all.open, [](const memory::NodePointer& node) { return node != nullptr; }));
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
  memory::Files& all = memory::files();
  const std::lock_guard lock(all.mutex);
  const auto place = memory::find_place(all, -1, path);
  const memory::NodePointer node = memory::make_node(all, false);
  node->bytes.assign(bytes.begin(), bytes.end());
  place->parent->entries.insert_or_assign(std::string(place->name), node);
}

std::vector<std::byte> read_memory_file(const std::string& path) {
  memory::Files& all = memory::files();
  const std::lock_guard lock(all.mutex);
  const memory::NodePointer node = node_at(all, path);
  return node == nullptr ? std::vector<std::byte>() : node->bytes;
}

std::vector<std::string> list_memory_directory(const std::string& path) {
  memory::Files& all = memory::files();
  const std::lock_guard lock(all.mutex);
  std::vector<std::string> names;
  if (const memory::NodePointer node = node_at(all, path); node != nullptr)
    for (const auto& [name, entry] : node->entries) names.push_back(name);
  return names;
}

void fail_memory_call(std::uint32_t count, int error) {
  memory::Files& all = memory::files();
  const std::lock_guard lock(all.mutex);
  all.calls_to_failure = count;
  all.failure = error;
  all.failed = false;
}

bool memory_call_failed() {
  memory::Files& all = memory::files();
  const std::lock_guard lock(all.mutex);
  return all.failed;
}

}  // namespace wpack::fuzz
