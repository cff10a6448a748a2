// Files in memory, behind the system calls that wpack makes: everything below /memory/ lives here,
// everything else is passed on to the system. Programs that link memory_files.cc reach it through
// the linker's --wrap, so that all of wpack's own code runs as it is and a test makes no system
// call: hundreds of thousands of files a second, and mappings that AddressSanitizer guards byte by
// byte and past munmap().
#pragma once

#include <string>
#include <vector>

#include "wpack/types.h"

namespace wpack::fuzz {

// Forgets all files. Returns how many descriptors and mappings were still open: none should be.
[[nodiscard]] std::size_t reset_memory_files();

// Makes or replaces the file `path`, such as /memory/model.pt, whose directory exists.
void write_memory_file(const std::string& path, Bytes bytes);

// Returns the contents of the file `path`; nothing if there is none.
[[nodiscard]] std::vector<std::byte> read_memory_file(const std::string& path);

// Returns the names in the directory `path`, ascending.
[[nodiscard]] std::vector<std::string> list_memory_directory(const std::string& path);

// From now on, the call number `count` (from 1) of those that can fail on a real disk fails with
// `error`, once. 0: none does.
void fail_memory_call(std::uint32_t count, int error);

// Returns true if the failure that was asked for has happened.
[[nodiscard]] bool memory_call_failed();

}  // namespace wpack::fuzz
