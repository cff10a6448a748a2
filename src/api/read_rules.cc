// Reading a file of tensor parallel rules.
#include <fmt/format.h>

#include <utility>

#include "os/file.h"
#include "wpack/tensor_parallel.h"

namespace wpack {

Result<TensorParallelRules> TensorParallelRules::read(const std::string& path,
                                                      std::string_view model_config) {
  WPACK_ASSIGN(const os::File file, os::File::open_read(path));
  WPACK_ASSIGN(const std::uint64_t size, file.size());
  if (size > kMaxTextSize) {
    return Error(ErrorCode::kLimit, fmt::format("{}: has {} bytes, rules have at most {}",
                                                file.label(), size, kMaxTextSize));
  }
  std::string text(size, '\0');
  WPACK_TRY(file.read_exact(0, std::as_writable_bytes(std::span(text))));
  auto rules = parse(text, model_config);
  if (!rules) return std::move(rules).error().in(file.label());
  return rules;
}

}  // namespace wpack
