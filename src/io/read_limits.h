// ReadLimits: made from what an engine was asked for, and held against its requests.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "wpack/async_reader.h"
#include "wpack/error.h"

namespace wpack::io {

// The limits of an engine with room for `max_in_flight` requests, which reads directly if there is
// an alignment. Errors: kInvalidArgument (an alignment that is no power of two up to 1 MiB).
[[nodiscard]] Result<ReadLimits> make_limits(std::uint32_t max_in_flight,
                                             const std::optional<DirectAlignment>& direct);

// The same for engines with a queue in the kernel, whose depth is bounded.
[[nodiscard]] Result<ReadLimits> make_queue_limits(std::uint32_t depth,
                                                   const std::optional<DirectAlignment>& direct);

// Errors: kInvalidArgument (the request breaks `limits`).
[[nodiscard]] Status check_request(const ReadRequest& request, const ReadLimits& limits);

// The step from the start of a request at which a read keeps all its alignments.
[[nodiscard]] std::uint64_t granule(const ReadLimits& limits) noexcept;

}  // namespace wpack::io
