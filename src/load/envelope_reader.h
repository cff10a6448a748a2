// The first page of a file of a container.
#pragma once

#include "format/envelope.h"
#include "format/rows.h"
#include "os/file.h"
#include "wpack/error.h"

namespace wpack::load {

// Reads the envelope of `file` and checks it on its own. Errors, with the file's name: kIo,
// kBadInput, kIntegrity.
[[nodiscard]] Result<format::Envelope> read_envelope(const os::File& file);

// The same for the shard that `row` describes: a file that is not wpack's is kIntegrity.
[[nodiscard]] Result<format::Envelope> read_shard_envelope(const os::File& file,
                                                           const format::ShardRow& row);

}  // namespace wpack::load
