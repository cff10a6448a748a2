#include "wpack/read_profile.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

#include "base/align.h"
#include "base/json_document.h"
#include "wpack/text.h"

namespace wpack {
namespace {

using Json = nlohmann::json;

constexpr const char* kProfileKind = "wpack_read_profile";
constexpr std::uint64_t kProfileVersion = 1;
constexpr std::size_t kMaxTextSize = 255;
constexpr std::string_view kEngines[] = {"io_uring", "libaio", "pread"};
constexpr std::uint64_t kBlockGranule = 4096;
constexpr std::uint64_t kMinBlockSize = std::uint64_t{64} << 10;
constexpr std::uint64_t kMaxBlockSize = std::uint64_t{64} << 20;
constexpr std::uint64_t kMaxProfileDepth = 64;
constexpr std::uint64_t kMaxFirstTouch = 1'000'000'000;

// `place` is how the object stands in messages, `key` a key of it.
Result<const Json*> member(const Json& object, std::string_view place, const char* key) {
  const auto found = object.find(key);
  if (found == object.end())
    return base::bad_json(place, fmt::format("has no {}", base::quote_key(key)));
  return &*found;
}

Result<std::string> text_member(const Json& object, std::string_view place, const char* key) {
  WPACK_ASSIGN(const Json* const value, member(object, place, key));
  const auto* text = value->get_ptr<const std::string*>();
  if (text != nullptr && !text->empty() && text->size() <= kMaxTextSize) return *text;
  return base::bad_json(key, fmt::format("must be a text of 1 to {} bytes", kMaxTextSize));
}

Result<std::uint64_t> number_member(const Json& object, const char* place, const char* key,
                                    std::uint64_t least, std::uint64_t most) {
  WPACK_ASSIGN(const Json* const value, member(object, place, key));
  return base::json_number(*value, fmt::format("{}.{}", place, key), least, most);
}

Result<std::optional<ReadShape>> shape_member(const Json& document, const char* key) {
  const auto found = document.find(key);
  if (found == document.end()) return std::optional<ReadShape>();
  WPACK_TRY(base::check_keys(*found, key, {"engine", "block_size", "depth"}));
  ReadShape shape;
  WPACK_ASSIGN(const Json* const engine, member(*found, key, "engine"));
  const auto* name = engine->get_ptr<const std::string*>();
  if (name == nullptr || std::ranges::find(kEngines, *name) == std::end(kEngines)) {
    return base::bad_json(fmt::format("{}.engine", key),
                          fmt::format("is none of {}", fmt::join(kEngines, ", ")));
  }
  shape.engine = *name;
  WPACK_ASSIGN(shape.block_size,
               number_member(*found, key, "block_size", kMinBlockSize, kMaxBlockSize));
  if (!base::is_aligned(shape.block_size, kBlockGranule)) {
    return base::bad_json(fmt::format("{}.block_size", key),
                          fmt::format("must be a multiple of {}", kBlockGranule));
  }
  WPACK_ASSIGN(const std::uint64_t depth, number_member(*found, key, "depth", 1, kMaxProfileDepth));
  shape.depth = static_cast<std::uint32_t>(depth);
  return std::optional(std::move(shape));
}

constexpr const char* kFirstTouch = "first_touch_ns_per_mebibyte";

Result<FirstTouch> first_touch_member(const Json& document) {
  FirstTouch touch;
  const auto found = document.find(kFirstTouch);
  if (found == document.end()) return touch;
  WPACK_TRY(base::check_keys(*found, kFirstTouch, {"small_pages", "huge_pages"}));
  if (found->contains("small_pages")) {
    WPACK_ASSIGN(touch.small_pages,
                 number_member(*found, kFirstTouch, "small_pages", 1, kMaxFirstTouch));
  }
  if (found->contains("huge_pages")) {
    WPACK_ASSIGN(touch.huge_pages,
                 number_member(*found, kFirstTouch, "huge_pages", 1, kMaxFirstTouch));
  }
  return touch;
}

using JsonOut = nlohmann::ordered_json;

void put_shape(JsonOut& document, const char* key, const std::optional<ReadShape>& shape) {
  if (!shape) return;
  document[key] = {
      {"engine", shape->engine}, {"block_size", shape->block_size}, {"depth", shape->depth}};
}

// `what` is "kernel", `here` that of this host.
Status same(std::string_view what, const std::string& measured, const Fact<std::string>& here) {
  if (!here) {
    return Error(ErrorCode::kUnsupportedHost,
                 fmt::format("the {} here is not known: {}", what, here.error().message()));
  }
  if (measured == *here) return {};
  return Error(ErrorCode::kUnsupportedHost,
               fmt::format("the profile is of another {}: {}, and this is {}", what,
                           escape_name(measured, 256), escape_name(*here, 256)));
}

}  // namespace

Result<ReadProfile> parse_read_profile(std::string_view text) {
  WPACK_ASSIGN(const Json document, base::parse_json_document(text, kMaxReadProfileSize));
  WPACK_TRY(base::check_keys(document, "the file",
                             {kProfileKind, "comment", "kernel", "device", "file_system", "direct",
                              "buffered", kFirstTouch}));
  WPACK_TRY(base::check_version(document, kProfileKind, kProfileVersion));
  ReadProfile profile;
  WPACK_ASSIGN(profile.kernel, text_member(document, "the file", "kernel"));
  WPACK_ASSIGN(profile.device, text_member(document, "the file", "device"));
  WPACK_ASSIGN(profile.file_system, text_member(document, "the file", "file_system"));
  WPACK_ASSIGN(profile.direct, shape_member(document, "direct"));
  WPACK_ASSIGN(profile.buffered, shape_member(document, "buffered"));
  WPACK_ASSIGN(profile.first_touch, first_touch_member(document));
  return profile;
}

std::string to_json(const ReadProfile& profile) {
  JsonOut document;
  document[kProfileKind] = kProfileVersion;
  document["kernel"] = profile.kernel;
  document["device"] = profile.device;
  document["file_system"] = profile.file_system;
  put_shape(document, "direct", profile.direct);
  put_shape(document, "buffered", profile.buffered);
  const FirstTouch& touch = profile.first_touch;
  if (touch.small_pages) document[kFirstTouch]["small_pages"] = *touch.small_pages;
  if (touch.huge_pages) document[kFirstTouch]["huge_pages"] = *touch.huge_pages;
  return document.dump(2, ' ', false, JsonOut::error_handler_t::replace) + "\n";
}

Status matches(const ReadProfile& profile, const HostFacts& host, const FileFacts& file) {
  WPACK_TRY(same("kernel", profile.kernel, host.kernel));
  WPACK_TRY(same("device", profile.device, file.device_number));
  const Fact<std::string> type = file.file_system ? Fact<std::string>(file.file_system->type)
                                                  : Fact<std::string>(file.file_system.error());
  return same("file system", profile.file_system, type);
}

}  // namespace wpack
