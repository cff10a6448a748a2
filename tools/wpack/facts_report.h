// What `wpack plan`, `wpack doctor` and `wpack tune` show alike: facts, profiles, and choices made
// from them.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <string>
#include <vector>

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
void add_reason_lines(Table& table, const ReadChoice& choice, const std::string& indent = "");

// Files that are read alike, in their order.
struct ChoiceGroup {
  std::vector<std::string> names;
  std::vector<const ReadChoice*> choices;  // of the names
};
// What is named, and how it is read: the choice is borrowed.
struct NamedChoice {
  std::string name;
  const ReadChoice* choice = nullptr;
};
// Puts together what has the same method, engine, block size and depth, and passed over the same.
[[nodiscard]] std::vector<ChoiceGroup> group_by_choice(const std::vector<NamedChoice>& choices);
// "00000.wps", "00000.wps and 49 more".
[[nodiscard]] std::string names_text(const ChoiceGroup& group);
// As add_reason_lines; a reason that not all have is given with the name whose it is.
void add_group_reason_lines(Table& table, const ChoiceGroup& group);

}  // namespace wpack::cli
