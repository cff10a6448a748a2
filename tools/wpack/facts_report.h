// What `wpack plan`, `wpack doctor` and `wpack tune` show alike: facts, profiles, and choices made
// from them.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>

#include "human.h"
#include "output.h"
#include "wpack/explain.h"
#include "wpack/host.h"
#include "wpack/read_profile.h"

namespace wpack::cli {

inline constexpr std::size_t kMaxReasonSize = 300;  // bytes of a reason in a table

// Members of facts that are not known are null; why stands in the object "unknown" under their
// names.
[[nodiscard]] Json host_json(const HostFacts& host);
[[nodiscard]] Json file_json(const FileFacts& file);
[[nodiscard]] Json choice_json(const ReadChoice& choice);
// Null if there is none.
[[nodiscard]] Json shape_json(const std::optional<ReadShape>& shape);
[[nodiscard]] Json profile_json(const std::optional<ReadProfile>& profile);

// Rows of two columns: what, and its value or why that is unknown.
void add_host_rows(Table& table, const HostFacts& host);
void add_file_rows(Table& table, const FileFacts& file);
void add_profile_rows(Table& table, const ReadProfile& profile);

// "read in and map, 4 requests of 8.39 MB".
[[nodiscard]] std::string choice_text(const ReadChoice& choice);
// Lines under a choice: its reasons, and what was refused.
void add_reason_lines(Table& table, const ReadChoice& choice);

}  // namespace wpack::cli
