// Reading the small files that people write for wpack.
#include <fmt/format.h>

#include <utility>

#include "os/file.h"
#include "wpack/read_profile.h"
#include "wpack/tensor_parallel.h"
#include "wpack/use_order.h"

namespace wpack {
namespace {

struct Text {
  std::string label;
  std::string text;
};

Result<Text> read_text(const std::string& path, std::uint64_t max_size) {
  WPACK_ASSIGN(const os::File file, os::File::open_read(path));
  WPACK_ASSIGN(const std::uint64_t size, file.size());
  if (size > max_size) {
    return Error(ErrorCode::kLimit, fmt::format("{}: has {} bytes, at most {} are read",
                                                file.label(), size, max_size));
  }
  Text text{.label = file.label(), .text = std::string(size, '\0')};
  WPACK_TRY(file.read_exact(0, std::as_writable_bytes(std::span(text.text))));
  return text;
}

}  // namespace

Result<TensorParallelRules> TensorParallelRules::read(const std::string& path,
                                                      std::string_view model_config) {
  WPACK_ASSIGN(const Text file, read_text(path, kMaxTextSize));
  auto rules = parse(file.text, model_config);
  if (!rules) return std::move(rules).error().in(file.label);
  return rules;
}

Result<UseOrder> read_use_order(const std::string& path) {
  WPACK_ASSIGN(const Text file, read_text(path, kMaxUseOrderSize));
  auto order = parse_use_order(file.text);
  if (!order) return std::move(order).error().in(file.label);
  return order;
}

Result<ReadProfile> read_profile_from(const std::string& path) {
  WPACK_ASSIGN(const Text file, read_text(path, kMaxReadProfileSize));
  auto profile = parse_read_profile(file.text);
  if (!profile) return std::move(profile).error().in(file.label);
  return profile;
}

}  // namespace wpack
