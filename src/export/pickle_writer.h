// Writes the pickle of a PyTorch checkpoint: protocol 2, and only the opcodes that
// torch.load(weights_only=True) reads. Pure.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include "wpack/error.h"

namespace wpack::exporting {

// Each call appends one value or one operation, in the order of the pickle machine. Strings are
// UTF-8 of less than 4 GiB.
class PickleWriter {
 public:
  PickleWriter();

  void mark();
  void empty_tuple();
  void tuple();  // of the values since the mark
  void reduce();
  void persistent_id();
  void set_items();  // into the dictionary below the mark

  void none();
  void boolean(bool value);
  void integer(std::uint64_t value);
  // A decimal integer of any size that the opcodes can hold.
  // Errors: kBadInput (not a decimal integer, or more than 255 bytes of binary).
  [[nodiscard]] Status decimal(std::string_view text);
  void floating(double value);
  void text(std::string_view value);
  // A text that comes often, written once.
  void repeated_text(std::string_view value);
  // The object `name` of the Python module `module`, written once.
  void global(std::string_view module, std::string_view name);
  void shape(std::span<const std::uint64_t> values);  // a tuple of integers

  // Ends the pickle and returns it.
  [[nodiscard]] std::string finish() &&;

 private:
  void long_integer(std::string_view little_endian);
  bool recall(const std::string& key);
  void remember(const std::string& key);

  std::string out_;
  std::map<std::string, std::uint8_t> memo_;
};

}  // namespace wpack::exporting
