// The system calls by which a program changes or looks at files, and what each works on.
#pragma once

#include <cstddef>
#include <span>
#include <string_view>

namespace wpack::crash {

// Which argument of a call names a file, if any does: a descriptor, or a path that may be relative
// to the directory of another argument.
struct Operand {
  static constexpr int kNone = -1;
  int descriptor = kNone;
  int directory = kNone;
  int path = kNone;
};

struct CallShape {
  long number;
  std::string_view name;
  Operand operand;
  Operand second = {};             // of calls with two names
  int data = Operand::kNone;       // address of what is written; its size is the next argument
  int condition = Operand::kNone;  // seen only if this argument ...
  unsigned bits = 0;               // ... has one of these bits
};

// Calls that can change a file system.
[[nodiscard]] std::span<const CallShape> changing_calls();
// Calls that look at it, lock or open.
[[nodiscard]] std::span<const CallShape> looking_calls();

}  // namespace wpack::crash
