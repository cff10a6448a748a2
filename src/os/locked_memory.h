// Keeping pages in memory.
#pragma once

#include "wpack/error.h"
#include "wpack/types.h"

namespace wpack::os {

// Brings whole pages into memory and keeps them there. Locks do not nest: one unlock_memory()
// undoes any number of calls. Errors: kLimit (RLIMIT_MEMLOCK or a shortage of memory refuses;
// named).
[[nodiscard]] Status lock_memory(MutableBytes bytes);
void unlock_memory(MutableBytes bytes) noexcept;

}  // namespace wpack::os
