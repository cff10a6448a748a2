#include "import/torch/torch_source.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <array>
#include <bit>
#include <charconv>
#include <cstring>
#include <limits>
#include <new>
#include <string>

#include "base/checked_math.h"
#include "base/utf8.h"
#include "import/memory_meter.h"
#include "import/torch/checkpoint_tree.h"
#include "import/torch/foreign_archive.h"
#include "import/torch/member_reader.h"
#include "import/torch/pickle_machine.h"
#include "import/torch/strided_gather.h"
#include "import/torch/tensor_rebuild.h"
#include "import/torch/view_limit.h"
#include "import/torch/zip_archive.h"
#include "wpack/text.h"

namespace wpack::import {
namespace {

constexpr std::uint64_t kMaxPickleSize = std::uint64_t{64} << 20;
constexpr std::uint64_t kMaxSmallRecord = 64;  // bytes of `version` and `byteorder`
constexpr int kMinVersion = 1;
constexpr int kMaxVersion = 10;
constexpr std::uint64_t kGatherBlock = std::uint64_t{16} << 20;
// What gathering may cost (see StridedGather::cost()): a few seconds, and as much again as is
// honest for large files. A transposed matrix of r rows costs r / 4096 times its size.
constexpr std::uint64_t kMinGatherCost = std::uint64_t{16} << 30;
constexpr std::uint64_t kMaxGatherCostPerByte = 64;

std::string_view as_text(Bytes bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

struct FreeHashState {
  void operator()(XXH3_state_t* it) const noexcept { XXH3_freeState(it); }
};

// XXH3-128 of two pieces, one after the other.
XXH128_hash_t digest_of(Bytes first, Bytes second) {
  const std::unique_ptr<XXH3_state_t, FreeHashState> state(XXH3_createState());
  if (state == nullptr) throw std::bad_alloc();
  (void)XXH3_128bits_reset(state.get());
  (void)XXH3_128bits_update(state.get(), first.data(), first.size());
  (void)XXH3_128bits_update(state.get(), second.data(), second.size());
  return XXH3_128bits_digest(state.get());
}

void swap_bytes(MutableBytes bytes, std::size_t unit) {
  for (std::size_t i = 0; i + unit <= bytes.size(); i += unit)
    std::ranges::reverse(bytes.subspan(i, unit));
}

class TorchSource final : public FileSource {
 public:
  TorchSource(os::File file, ZipArchive archive, const os::FileIdentity& identity,
              const SourceOptions& options, std::shared_ptr<InflateWork> work)
      : FileSource(std::move(file), identity),
        archive_(std::move(archive)),
        work_(std::move(work)),
        reader_(file_, archive_, identity, options.inflate_budget, *work_) {}

  // Reads everything that the description needs.
  [[nodiscard]] Status load(const SourceOptions& options, MemoryMeter& meter);

  Status read(std::size_t index, std::uint64_t offset, MutableBytes out) override;
  Status finish(const KeepGoing& keep_going) override { return reader_.finish(keep_going); }
  [[nodiscard]] std::uint64_t kept_bytes() const noexcept override {
    return archive_.directory().size() + archive_.members().size() * kKeptForMember +
           plans_.capacity() * sizeof(Plan);
  }
  void drop_caches() noexcept override {
    reader_.drop_caches();
    gather_ = {};
    block_ = std::vector<std::byte>();  // = {} would keep its memory
  }

 private:
  // A tensor as it is read.
  struct Plan {
    std::uint32_t member = 0;
    std::uint8_t element_size = 1;  // bytes
    std::uint8_t swap_unit = 1;     // bytes that are reversed; 1: none
    std::uint64_t byte_offset = 0;
    std::vector<std::uint64_t> strides;  // empty if contiguous
    std::vector<std::uint64_t> shape;    // likewise
    std::uint64_t nbytes = 0;
  };
  static constexpr std::uint64_t kKeptForMember = sizeof(ZipMember) + 32;  // names and checksums

  [[nodiscard]] Error bad(std::string_view cause) const {
    return {ErrorCode::kBadInput, fmt::format("{}: {}", file_.label(), cause)};
  }
  [[nodiscard]] Status check_version();
  [[nodiscard]] Status read_byte_order();
  [[nodiscard]] Result<std::string> read_small(const ZipMember& member);
  [[nodiscard]] Result<Checkpoint> flatten(Bytes bytes, const SourceOptions& options,
                                           MemoryMeter& meter) const;
  void describe(Checkpoint checkpoint);
  void add_tensor(NamedTensor tensor);
  void describe_file(Bytes pickle);
  [[nodiscard]] Status check_gathering() const;
  [[nodiscard]] Status check_packing(MemoryMeter meter) const;

  [[nodiscard]] Status read_swapped(const Plan& plan, std::uint64_t offset, MutableBytes out);
  [[nodiscard]] Status read_gathered(std::size_t index, std::uint64_t offset, MutableBytes out);
  [[nodiscard]] Status fill_block(std::size_t index, std::uint64_t begin);
  [[nodiscard]] const ZipMember& member_of(const Plan& plan) const {
    return archive_.members()[plan.member];
  }
  // Of a gathered tensor.
  [[nodiscard]] static StridedView view_of(const Plan& plan) {
    return {.shape = plan.shape,
            .strides = plan.strides,
            .byte_offset = plan.byte_offset,
            .element_size = plan.element_size};
  }

  ZipArchive archive_;
  std::shared_ptr<InflateWork> work_;
  MemberReader reader_;
  std::vector<Plan> plans_;  // by position in description_.tensors
  bool big_endian_ = false;

  StridedGather gather_;
  std::vector<std::byte> block_;  // a piece of the tensor that was last gathered
  std::size_t block_tensor_ = 0;
  std::uint64_t block_begin_ = 0;  // bytes of the tensor
};

Status TorchSource::load(const SourceOptions& options, MemoryMeter& meter) {
  const std::string_view foreign = foreign_archive_kind(archive_);
  if (!foreign.empty()) return bad(fmt::format("is {}", foreign));
  const MemoryMeter before = meter;
  WPACK_TRY(reader_.check_budget());
  WPACK_TRY(check_version());
  WPACK_TRY(read_byte_order());

  const ZipMember& member = *archive_.find("data.pkl");
  if (member.size > kMaxPickleSize) {
    return Error(ErrorCode::kLimit, fmt::format("{}: data.pkl of {} bytes is larger than is read",
                                                file_.label(), member.size));
  }
  meter.add(member.size);
  if (auto status = meter.check(); !status) return std::move(status).error().in(file_.label());
  WPACK_ASSIGN(const std::vector<std::byte> pickle, reader_.read_whole(member));
  auto checkpoint = flatten(pickle, options, meter);
  if (!checkpoint) return std::move(checkpoint).error().in(file_.label());
  describe(*std::move(checkpoint));
  describe_file(pickle);
  auto views = check_views(description_.tensors, archive_, options.max_expansion);
  if (!views) return std::move(views).error().in(file_.label());
  WPACK_TRY(check_gathering());
  return check_packing(before);
}

// Strides can be such that each element takes a reading of its own.
Status TorchSource::check_gathering() const {
  const std::uint64_t limit =
      base::checked_mul(archive_.stored_size(), kMaxGatherCostPerByte).value_or(base::kUnlimited);
  std::uint64_t left = std::max(kMinGatherCost, limit);
  for (std::size_t i = 0; i < plans_.size(); ++i) {
    const Plan& plan = plans_[i];
    if (plan.strides.empty()) continue;
    for (std::uint64_t begin = 0; begin < plan.nbytes; begin += kGatherBlock) {
      const std::uint64_t size = std::min(kGatherBlock, plan.nbytes - begin);
      const std::uint64_t cost =
          StridedGather::cost(view_of(plan), begin / plan.element_size, size / plan.element_size);
      if (cost > left) {
        return Error(ErrorCode::kLimit,
                     fmt::format("{}: tensor '{}': its strides, and those of the tensors before "
                                 "it, scatter their elements so much that reading them takes too "
                                 "long",
                                 file_.label(), escape_name(description_.tensors[i].name)));
      }
      left -= cost;
    }
  }
  return {};
}

Status TorchSource::check_packing(MemoryMeter meter) const {
  meter.add(plans_.size() * sizeof(Plan));
  for (const SourceTensor& tensor : description_.tensors)
    meter.add_tensor(tensor.name.size(), tensor.shape.size());
  if (auto status = meter.check(); !status) return std::move(status).error().in(file_.label());
  return {};
}

Result<std::string> TorchSource::read_small(const ZipMember& member) {
  if (member.size > kMaxSmallRecord)
    return bad(fmt::format("member '{}' has {} bytes", escape_name(member.name), member.size));
  WPACK_ASSIGN(const std::vector<std::byte> bytes, reader_.read_whole(member));
  return std::string(as_text(bytes));
}

Status TorchSource::check_version() {
  const ZipMember* member = archive_.find("version");
  if (member == nullptr) member = archive_.find(".data/version");
  if (member == nullptr) return bad("the archive has no version");
  WPACK_ASSIGN(std::string text, read_small(*member));
  if (text.ends_with('\n')) text.pop_back();
  int version = 0;
  const char* const end = text.data() + text.size();
  const auto parsed = std::from_chars(text.data(), end, version);
  if (parsed.ec != std::errc() || parsed.ptr != end || version < kMinVersion ||
      version > kMaxVersion)
    return bad(fmt::format("the archive's version '{}' is not supported", escape_name(text)));
  return {};
}

Status TorchSource::read_byte_order() {
  const ZipMember* member = archive_.find("byteorder");
  if (member == nullptr) return {};
  WPACK_ASSIGN(const std::string text, read_small(*member));
  if (text != "little" && text != "big")
    return bad(fmt::format("the archive's byte order '{}' is not known", escape_name(text)));
  big_endian_ = text == "big";
  return {};
}

// The tree of the pickle is gone before the description is built: either is large.
Result<Checkpoint> TorchSource::flatten(Bytes bytes, const SourceOptions& options,
                                        MemoryMeter& meter) const {
  auto pickle = read_pickle(bytes, meter);
  if (!pickle) return std::move(pickle).error().in("data.pkl");
  TensorRebuilder rebuilder(pickle->tree, archive_, options.max_expansion);
  return flatten_checkpoint(pickle->tree, pickle->root, rebuilder, options.root, meter);
}

void TorchSource::describe(Checkpoint checkpoint) {
  description_.tensors.reserve(checkpoint.tensors.size());
  plans_.reserve(checkpoint.tensors.size());
  for (; !checkpoint.tensors.empty(); checkpoint.tensors.pop_front())
    add_tensor(std::move(checkpoint.tensors.front()));
  description_.metadata = std::move(checkpoint.metadata);
  description_.dropped_leaves = std::move(checkpoint.dropped_leaves);
  description_.warnings = std::move(checkpoint.warnings);
}

void TorchSource::add_tensor(NamedTensor tensor) {
  TensorView& view = tensor.view;
  const DTypeInfo& info = *find_dtype(view.dtype);
  const std::uint8_t swap_unit = big_endian_ ? info.swap_unit : std::uint8_t{1};
  SourceTensor described;
  described.name = std::move(tensor.name);
  described.dtype = view.dtype;
  std::vector<std::uint64_t> gathered_shape;
  if (!view.strides.empty()) gathered_shape = view.shape;
  described.shape = std::move(view.shape);
  described.nbytes = view.nbytes;
  if (view.nbytes != 0 && view.strides.empty()) {
    // Bytes that are reversed in different units are different bytes.
    const auto kind = static_cast<std::uint32_t>(std::countr_zero(swap_unit));
    described.storage =
        SourceStorage{.id = view.member * 4 + kind, .byte_offset = view.byte_offset};
  }
  description_.tensors.push_back(std::move(described));
  plans_.push_back({.member = view.member,
                    .element_size = static_cast<std::uint8_t>(info.bits / 8U),
                    .swap_unit = swap_unit,
                    .byte_offset = view.byte_offset,
                    .strides = std::move(view.strides),
                    .shape = std::move(gathered_shape),
                    .nbytes = view.nbytes});
}

void TorchSource::describe_file(Bytes pickle) {
  description_.format = "torch-zip";
  description_.order = SourceOrder::kUse;
  const XXH128_hash_t digest = digest_of(archive_.directory(), pickle);
  description_.files.push_back({.name = base::to_utf8(file_.name()),
                                .size = identity_.size,
                                .digest_high = digest.high64,
                                .digest_low = digest.low64});
  if (reader_.unchecked()) {
    description_.warnings.emplace_back(
        "the archive was written without checksums: damage to it would not be noticed");
  }
}

Status TorchSource::read(std::size_t index, std::uint64_t offset, MutableBytes out) {
  if (out.empty()) return {};
  const Plan& plan = plans_[index];
  if (!plan.strides.empty()) return read_gathered(index, offset, out);
  if (plan.swap_unit > 1) return read_swapped(plan, offset, out);
  return reader_.read(member_of(plan), plan.byte_offset + offset, out);
}

// Pieces may begin and end inside a unit.
Status TorchSource::read_swapped(const Plan& plan, std::uint64_t offset, MutableBytes out) {
  const std::size_t unit = plan.swap_unit;
  while (!out.empty()) {
    const auto skipped = static_cast<std::size_t>(offset % unit);
    std::size_t size = out.size() / unit * unit;
    if (skipped != 0 || size == 0) {
      std::array<std::byte, 8> bytes{};
      const MutableBytes whole = std::span(bytes).first(unit);
      WPACK_TRY(reader_.read(member_of(plan), plan.byte_offset + offset - skipped, whole));
      swap_bytes(whole, unit);
      size = std::min(unit - skipped, out.size());
      std::ranges::copy(whole.subspan(skipped, size), out.begin());
    } else {
      WPACK_TRY(reader_.read(member_of(plan), plan.byte_offset + offset, out.first(size)));
      swap_bytes(out.first(size), unit);
    }
    offset += size;
    out = out.subspan(size);
  }
  return {};
}

// Gathers in blocks far larger than a usual piece: a transposed matrix is read once a block.
Status TorchSource::read_gathered(std::size_t index, std::uint64_t offset, MutableBytes out) {
  while (!out.empty()) {
    const std::uint64_t begin = offset - offset % kGatherBlock;
    if (block_.empty() || block_tensor_ != index || block_begin_ != begin)
      WPACK_TRY(fill_block(index, begin));
    const auto skipped = static_cast<std::size_t>(offset - begin);
    const std::size_t size = std::min(block_.size() - skipped, out.size());
    std::memcpy(out.data(), block_.data() + skipped, size);
    offset += size;
    out = out.subspan(size);
  }
  return {};
}

Status TorchSource::fill_block(std::size_t index, std::uint64_t begin) {
  const Plan& plan = plans_[index];
  std::vector<std::byte> block = std::move(block_);
  block_.clear();
  block.resize(static_cast<std::size_t>(std::min(kGatherBlock, plan.nbytes - begin)));
  WPACK_TRY(gather_.read(view_of(plan), begin / plan.element_size, block,
                         [&](std::uint64_t offset, MutableBytes out) {
                           return reader_.read(member_of(plan), offset, out);
                         }));
  if (plan.swap_unit > 1) swap_bytes(block, plan.swap_unit);
  block_ = std::move(block);
  block_tensor_ = index;
  block_begin_ = begin;
  return {};
}

}  // namespace

bool looks_like_zip(Bytes front) noexcept {
  constexpr std::array kSignature{'P', 'K', '\x03', '\x04'};
  return front.size() >= kSignature.size() &&
         std::memcmp(front.data(), kSignature.data(), kSignature.size()) == 0;
}

Result<std::unique_ptr<FileSource>> open_torch_zip(os::File file, const SourceOptions& options,
                                                   MemoryMeter meter,
                                                   std::shared_ptr<InflateWork> work) {
  if (work == nullptr) work = std::make_shared<InflateWork>(options.inflate_budget);
  WPACK_ASSIGN(const os::FileIdentity identity, file.identity());
  WPACK_ASSIGN(ZipArchive archive, ZipArchive::open(file, identity.size, meter));
  file.advise_sequential();
  auto source = std::make_unique<TorchSource>(std::move(file), std::move(archive), identity,
                                              options, std::move(work));
  WPACK_TRY(source->load(options, meter));
  return std::unique_ptr<FileSource>(std::move(source));
}

}  // namespace wpack::import
