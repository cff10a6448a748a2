// Small JSON files that people write by hand, read strictly: whatever a reader would not understand
// is an error that names its place. For .cc files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "wpack/error.h"

namespace wpack::base {

// "PLACE REASON", kBadInput.
[[nodiscard]] Error bad_json(std::string_view place, std::string_view reason);

// A key as it stands in messages.
[[nodiscard]] std::string quote_key(std::string_view key);

// Errors: kLimit (more bytes than `max_size`), kBadInput (what JsonText::find_defect() finds).
[[nodiscard]] Status check_json_text(std::string_view text, std::uint64_t max_size);

// Parses a text of at most `max_size` bytes. Errors: those of check_json_text, kBadInput (not JSON,
// nested more than eight deep, a key that stands twice in an object).
[[nodiscard]] Result<nlohmann::json> parse_json_document(std::string_view text,
                                                         std::uint64_t max_size);

// Checks that `object` is an object that has no key but those of `known`. A "comment" is a text.
[[nodiscard]] Status check_keys(const nlohmann::json& object, std::string_view place,
                                std::initializer_list<std::string_view> known);

// Checks that a file says with the number `key` that it is of the kind `key`, version `version`.
[[nodiscard]] Status check_version(const nlohmann::json& document, const char* key,
                                   std::uint64_t version);

// Returns a whole number from `least` to `most`.
[[nodiscard]] Result<std::uint64_t> json_number(const nlohmann::json& value, std::string_view place,
                                                std::uint64_t least, std::uint64_t most);

// Checks that `value` is a list of 1 to `most` entries. Errors: kBadInput, kLimit (more).
[[nodiscard]] Status check_list(const nlohmann::json& value, std::string_view place,
                                std::size_t most);

}  // namespace wpack::base
