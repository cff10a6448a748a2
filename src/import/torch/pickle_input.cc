#include "import/torch/pickle_input.h"

#include <fmt/format.h>

namespace wpack::import {

Result<Bytes> PickleInput::take(std::uint64_t size) {
  if (size > remaining()) {
    return Error(ErrorCode::kBadInput,
                 fmt::format("an operand of {} bytes reaches past the end", size));
  }
  const Bytes taken = bytes_.subspan(at_, static_cast<std::size_t>(size));
  at_ += taken.size();
  return taken;
}

Result<std::string_view> PickleInput::take_text(Result<std::uint64_t> size) {
  if (!size) return std::move(size).error();
  WPACK_ASSIGN(const Bytes text, take(*size));
  return std::string_view(reinterpret_cast<const char*>(text.data()), text.size());
}

Result<std::string_view> PickleInput::take_line() {
  const std::string_view rest(reinterpret_cast<const char*>(bytes_.data()) + at_, remaining());
  const std::size_t size = rest.substr(0, kMaxLineSize + 1).find('\n');
  if (size == std::string_view::npos)
    return Error(ErrorCode::kBadInput, "a name has no end or is too long");
  at_ += size + 1;
  return rest.substr(0, size);
}

}  // namespace wpack::import
