#include "import/safetensors_source.h"

#include <fmt/format.h>
#include <xxhash.h>

#include "base/checked_math.h"
#include "base/little_endian.h"
#include "base/utf8.h"
#include "import/safetensors_header.h"
#include "wpack/text.h"

namespace wpack::import {
namespace {

constexpr std::uint64_t kLengthSize = 8;

class SafetensorsSource final : public FileSource {
 public:
  SafetensorsSource(os::File file, const os::FileIdentity& identity, std::vector<ByteRange> ranges,
                    SourceDescription description)
      : FileSource(std::move(file), identity), ranges_(std::move(ranges)) {
    description_ = std::move(description);
  }

  [[nodiscard]] Status read(std::size_t index, std::uint64_t offset, MutableBytes out) override {
    if (index >= ranges_.size() || !base::range_within(offset, out.size(), ranges_[index].size())) {
      return Error(ErrorCode::kInvalidArgument,
                   fmt::format("{}: {} bytes at {} are not inside tensor {}", file_.label(),
                               out.size(), offset, index));
    }
    auto status = file_.read_exact(ranges_[index].begin + offset, out);
    if (status || index >= description_.tensors.size()) return status;
    return std::move(status).error().in(
        fmt::format("tensor \"{}\"", escape_name(description_.tensors[index].name)));
  }

  [[nodiscard]] Status finish(const KeepGoing& /*keep_going*/) override {
    WPACK_ASSIGN(const os::FileIdentity identity, file_.identity());
    if (identity == identity_) return {};
    return Error(ErrorCode::kIo, fmt::format("{}: changed while it was read", file_.label()));
  }

  [[nodiscard]] std::uint64_t kept_bytes() const noexcept override {
    return ranges_.capacity() * sizeof(ByteRange);
  }

 private:
  std::vector<ByteRange> ranges_;  // of each tensor in the file
};

Error bad_file(const os::File& file, std::string_view reason) {
  return {ErrorCode::kBadInput, fmt::format("{}: {}", file.label(), reason)};
}

// Returns the length field and the header, 8 + N bytes.
Result<std::string> read_front(const os::File& file, std::uint64_t file_size) {
  std::byte length[kLengthSize];
  if (file_size < kLengthSize) return bad_file(file, "is too small to be a safetensors file");
  WPACK_TRY(file.read_exact(0, length));
  const auto size = base::load_le<std::uint64_t>(length);
  if (size > kMaxSafetensorsHeader) {
    return bad_file(file, fmt::format("safetensors header of {} bytes, more than the format's {}",
                                      size, kMaxSafetensorsHeader));
  }
  if (!base::range_within(kLengthSize, size, file_size)) {
    return bad_file(file,
                    fmt::format("safetensors header of {} bytes in a file of {}: the file is cut "
                                "short, or not safetensors",
                                size, file_size));
  }
  std::string front(kLengthSize + size, '\0');
  WPACK_TRY(file.read_exact(0, std::as_writable_bytes(std::span(front))));
  return front;
}

SourceFile describe_file(const os::File& file, std::uint64_t size, std::string_view front) {
  const XXH128_hash_t digest = XXH3_128bits(front.data(), front.size());
  return {.name = base::to_utf8(file.name()),
          .size = size,
          .digest_high = digest.high64,
          .digest_low = digest.low64};
}

}  // namespace

Result<std::unique_ptr<FileSource>> open_safetensors(os::File file, MemoryMeter meter) {
  WPACK_ASSIGN(const os::FileIdentity identity, file.identity());
  WPACK_ASSIGN(const std::string front, read_front(file, identity.size));
  auto header = parse_safetensors_header(std::string_view(front).substr(kLengthSize),
                                         identity.size - front.size(), meter);
  if (!header) return std::move(header).error().in(file.label());
  SourceDescription description;
  description.format = "safetensors";
  description.order = SourceOrder::kName;
  description.files.push_back(describe_file(file, identity.size, front));
  description.tensors = std::move(header->tensors);
  description.metadata = std::move(header->metadata);
  description.warnings = std::move(header->warnings);
  std::vector<ByteRange> ranges;
  ranges.reserve(description.tensors.size());
  for (std::size_t i = 0; i < description.tensors.size(); ++i) {
    const std::uint64_t begin = front.size() + header->begins[i];
    ranges.push_back({begin, begin + description.tensors[i].nbytes});
  }
  file.advise_sequential();
  return std::make_unique<SafetensorsSource>(std::move(file), identity, std::move(ranges),
                                             std::move(description));
}

}  // namespace wpack::import
