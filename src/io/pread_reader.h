// The engine of threads that call pread(), with that call for tests to replace.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>

#include "wpack/async_reader.h"

namespace wpack::io {

// pread(2), or something that behaves like it; called from several threads at once.
using Pread = std::function<ssize_t(int fd, void* out, std::size_t size, off_t offset)>;

[[nodiscard]] Result<std::unique_ptr<AsyncReader>> make_pread_reader(
    std::uint32_t threads, const std::optional<DirectAlignment>& direct, Pread pread);

}  // namespace wpack::io
