// What the system calls on files in memory do: results and errno as the system's own. Between
// memory_calls.cc, which receives the calls, and memory_operations.cc, which carries them out.
#pragma once

#include <dirent.h>
#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string_view>

namespace wpack::fuzz::memory {

// True if the call is about a file in memory.
[[nodiscard]] bool is_ours(int descriptor);
[[nodiscard]] bool is_ours(int directory, std::string_view path);

int open_node(int directory, const char* path, int flags);
int close_descriptor(int descriptor);
int status_of(int descriptor, struct stat* status);
int status_at(int directory, const char* path, struct stat* status);
ssize_t read_node(int descriptor, void* out, std::size_t size, off_t offset);
ssize_t write_node(int descriptor, const void* bytes, std::size_t size, off_t offset);
int truncate_node(int descriptor, off_t size);
// What only says yes, or fails: fsync, fallocate.
int acknowledge(int descriptor);
int make_directory(int directory, const char* path);
int rename_node(int from_directory, const char* from, int to_directory, const char* to,
                unsigned flags);
int unlink_node(int directory, const char* path, int flags);
int lock_node(int descriptor);

// A mapping is a copy of what the file holds: published files do not change.
void* map_node(int descriptor, std::size_t size);
// False if no mapping of a file in memory begins, or lies, there.
bool unmap_node(void* address);
[[nodiscard]] bool is_mapped(const void* address);

// The same numbers for the same input.
void fill_random(void* out, std::size_t size);

DIR* open_stream(int descriptor);
// Unset if it is no stream of a directory in memory.
std::optional<dirent*> read_stream(DIR* stream);
std::optional<int> close_stream(DIR* stream);

}  // namespace wpack::fuzz::memory
