#include "tune/shapes.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <span>
#include <string>

#include "base/align.h"
#include "load/engine_policy.h"

namespace wpack::tuning {
namespace {

using base::kMebibyte;

struct Size {
  std::uint64_t block_size;
  std::uint32_t depth;
};
// Past the page cache, a disk wants many requests, or large ones; through it, threads that copy.
constexpr Size kDirectSizes[] = {{kMebibyte / 2, 16}, {kMebibyte / 2, 32}, {kMebibyte, 4},
                                 {kMebibyte, 8},      {kMebibyte, 16},     {2 * kMebibyte, 4},
                                 {2 * kMebibyte, 8},  {2 * kMebibyte, 16}, {8 * kMebibyte, 4}};
constexpr Size kBufferedSizes[] = {{kMebibyte, 2},     {kMebibyte, 4},     {kMebibyte, 8},
                                   {2 * kMebibyte, 2}, {2 * kMebibyte, 4}, {2 * kMebibyte, 8},
                                   {8 * kMebibyte, 2}, {8 * kMebibyte, 4}};

// The engines that can read directly, in the order in which probe_engines() has them.
constexpr std::string_view kDirectEngines[] = {"io_uring", "libaio", "pread"};
constexpr std::string_view kBufferedEngines[] = {"pread"};

// What wpack takes for cold bytes that have to be read, without a profile.
ReadChoice standard_choice(const HostFacts& host, FileFacts file) {
  file.resident = std::uint64_t{0};
  return load::choose_reading(host, file, {.bytes = file.size, .access = AccessMode::kRead});
}

ReadShape shape_of(const ReadChoice& choice) {
  return {choice.engine, choice.block_size, choice.depth};
}

// Why `method` was passed over; its errors come with the engines'.
std::string reason_against(const ReadChoice& choice, ReadMethod method) {
  const auto refusal = std::ranges::find(choice.refused, to_string(method), &Refusal::what);
  return refusal != choice.refused.end()
             ? refusal->reason
             : "on this file system, reads through the page cache come first";
}

std::vector<ReadShape> shapes_for(const HostFacts& host, std::span<const std::string_view> engines,
                                  std::span<const Size> sizes, const ReadShape& standard,
                                  std::vector<Refusal>& skipped) {
  std::vector<ReadShape> shapes = {standard};
  for (const EngineProbe& probe : host.engines) {
    if (std::ranges::find(engines, probe.name) == engines.end()) continue;
    if (probe.refused) {
      Refusal refusal{std::string(probe.name), probe.refused->message()};
      if (std::ranges::find(skipped, refusal) == skipped.end())
        skipped.push_back(std::move(refusal));
      continue;
    }
    for (const Size size : sizes) {
      ReadShape shape{std::string(probe.name), size.block_size, size.depth};
      if (std::ranges::find(shapes, shape) == shapes.end()) shapes.push_back(std::move(shape));
    }
  }
  return shapes;
}

std::optional<std::string> against_measuring(const FileFacts& file) {
  if (file.file_system && file.file_system->kind == FileSystemKind::kMemory)
    return "the file is memory already";
  if (file.size < kSmallestFile) {
    return fmt::format("the file has {} bytes: less than the {} MiB that say something of a disk",
                       file.size, kSmallestFile / kMebibyte);
  }
  return std::nullopt;
}

}  // namespace

ShapePlan plan_shapes(const HostFacts& host, const FileFacts& file) {
  ShapePlan plan;
  const ReadChoice first = standard_choice(host, file);
  FileFacts without_direct = file;
  without_direct.direct_alignment = Error(ErrorCode::kUnsupportedHost, "not looked at");
  const ReadChoice second = standard_choice(host, without_direct);
  plan.buffered.standard = shape_of(second);
  if (first.method == ReadMethod::kDirect) plan.direct.standard = shape_of(first);
  if (const auto reason = against_measuring(file)) {
    plan.skipped.push_back({std::string(to_string(ReadMethod::kDirect)), *reason});
    plan.skipped.push_back({std::string(to_string(ReadMethod::kBuffered)), *reason});
    return plan;
  }
  if (first.method == ReadMethod::kDirect) {
    plan.direct.shapes =
        shapes_for(host, kDirectEngines, kDirectSizes, plan.direct.standard, plan.skipped);
  } else {
    plan.skipped.push_back(
        {std::string(to_string(ReadMethod::kDirect)), reason_against(first, ReadMethod::kDirect)});
  }
  plan.buffered.shapes =
      shapes_for(host, kBufferedEngines, kBufferedSizes, plan.buffered.standard, plan.skipped);
  return plan;
}

}  // namespace wpack::tuning
