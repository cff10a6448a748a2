// The order in which a program uses the layers of a model: recorded once, then used to read ahead
// and to lay containers out.
//
//   wpack::UseOrder order = container.use_order();       // after a start as the program makes it
//   auto text = wpack::to_json(order);                   // kept in a file
//   ...
//   auto order = wpack::read_use_order("order.json");    // OpenOptions::use_order: read ahead in
//   it
//                                                        // PackOptions::use_order: lay out in it
//
// The file is a JSON object; `comment` may hold any text, and nothing else is accepted:
//
//   {"wpack_use_order": 1, "comment": "", "layers": ["embed", "layers.0", "layers.1"]}
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "wpack/error.h"
#include "wpack/export.h"

namespace wpack {

struct UseOrder {
  // Names of layers, each once, in the order of first use. Layers that are not named follow in the
  // order that they have without it. Empty: that order for all.
  std::vector<std::string> layers = {};

  friend bool operator==(const UseOrder&, const UseOrder&) = default;
};

// The largest text that is parsed, in bytes.
inline constexpr std::uint64_t kMaxUseOrderSize = std::uint64_t{8} << 20;

// Parses the text of such a file. A pure function. Errors, with the key: kBadInput (not JSON, an
// unknown or missing key, a name that stands twice), kLimit (a text of more than kMaxUseOrderSize
// bytes, more than 2^20 layers).
[[nodiscard]] WPACK_EXPORT Result<UseOrder> parse_use_order(std::string_view text);

// Reads and parses the file `path` (links are followed). Errors, with its name: those, and kIo.
[[nodiscard]] WPACK_EXPORT Result<UseOrder> read_use_order(const std::string& path);

// Returns the text of a file that parse_use_order() reads as `order`, whose names are UTF-8, if it
// has at most kMaxUseOrderSize bytes. A pure function.
[[nodiscard]] WPACK_EXPORT std::string to_json(const UseOrder& order);

}  // namespace wpack
