#include "import/sharded/sharded_source.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <optional>
#include <utility>

#include "base/checked_math.h"
#include "base/file_name.h"
#include "folder/attachment_rule.h"
#include "folder/weight_files.h"
#include "folder/weight_map.h"
#include "import/sharded/merged_description.h"
#include "import/sharded/shard_files.h"
#include "wpack/text.h"

namespace wpack::import {
namespace {

constexpr std::size_t kMaxListedFiles = 3;  // of those that are missing

class ShardedSource final : public TensorSource {
 public:
  ShardedSource(Folder folder, const MemoryMeter& meter)
      : folder_(std::move(folder)), shards_(folder_), meter_(meter) {}

  // `names` are those of everything in the folder.
  [[nodiscard]] Status load(const folder::WeightFiles& weights, std::vector<std::string> names,
                            const SourceOptions& options);

  [[nodiscard]] const SourceDescription& description() const noexcept override {
    return description_;
  }
  [[nodiscard]] Status read(std::size_t index, std::uint64_t offset, MutableBytes out) override;
  [[nodiscard]] Status read_attachment(std::size_t index, std::uint64_t offset,
                                       MutableBytes out) override;
  [[nodiscard]] Status finish(const KeepGoing& keep_going) override;

 private:
  static constexpr std::size_t kNone = ~std::size_t{0};

  [[nodiscard]] Result<folder::WeightMap> read_index(const std::string& name) const;
  [[nodiscard]] Status check_files(const folder::WeightMap& map, const folder::WeightFiles& weights,
                                   std::span<const std::string> names) const;
  [[nodiscard]] Status load_shards(std::span<const std::string> files, const folder::WeightMap* map,
                                   const std::string& index, const SourceOptions& options);
  [[nodiscard]] Status sort_out(std::span<const std::string> names, const std::string& index,
                                bool attachments);
  [[nodiscard]] Status attach(const std::string& name);
  void leave_out(const std::string& name, std::string_view reason);

  const Folder folder_;
  ShardFiles shards_;
  MemoryMeter meter_;
  SourceDescription description_;
  std::vector<std::size_t> first_tensors_;  // of each shard
  std::vector<os::FileIdentity> attached_;  // what each attachment was
  std::size_t open_attachment_ = kNone;     // whose file is attachment_file_
  os::File attachment_file_;
};

Status ShardedSource::load(const folder::WeightFiles& weights, std::vector<std::string> names,
                           const SourceOptions& options) {
  std::ranges::sort(names);
  std::vector<std::string> files = weights.files;
  std::optional<folder::WeightMap> map;
  if (!weights.index.empty()) {
    WPACK_ASSIGN(map, read_index(weights.index));
    WPACK_TRY(check_files(*map, weights, names));
    files.assign(map->files().begin(), map->files().end());
    meter_.add(map->kept_bytes());
  }
  WPACK_TRY(load_shards(files, map ? &*map : nullptr, weights.index, options));
  if (map) {
    for (const std::string& warning : map->warnings())
      description_.warnings.push_back(
          fmt::format("{}: {}", escape_name(weights.index, 256), warning));
  }
  std::ranges::sort(files);
  std::erase_if(names, [&](const std::string& name) {
    return name.starts_with('.') || std::ranges::binary_search(files, name);
  });
  return sort_out(names, weights.index, options.attachments);
}

Result<folder::WeightMap> ShardedSource::read_index(const std::string& name) const {
  WPACK_ASSIGN(const os::File file, folder_.open(name));
  WPACK_ASSIGN(const std::uint64_t size, file.size());
  if (size > folder::kMaxWeightMapText) {
    return Error(ErrorCode::kLimit,
                 fmt::format("{}: an index of {} bytes, more than the {} that are read",
                             file.label(), size, folder::kMaxWeightMapText));
  }
  std::string text(static_cast<std::size_t>(size), '\0');
  WPACK_TRY(file.read_exact(0, std::as_writable_bytes(std::span(text))));
  auto map = folder::WeightMap::parse(text);
  if (!map) return std::move(map).error().in(file.label());
  return map;
}

Status ShardedSource::check_files(const folder::WeightMap& map, const folder::WeightFiles& weights,
                                  std::span<const std::string> names) const {
  std::string missing;
  std::size_t count = 0;
  for (const std::string& file : map.files()) {
    if (std::ranges::binary_search(names, file) || count++ >= kMaxListedFiles) continue;
    missing += fmt::format("{}{}", missing.empty() ? "" : ", ", escape_name(file, 256));
  }
  if (count > kMaxListedFiles) missing += fmt::format(" and {} more", count - kMaxListedFiles);
  if (count > 0) {
    return Error(ErrorCode::kIo, ENOENT,
                 fmt::format("{}: names files that are not there: {}", folder_.label(weights.index),
                             missing));
  }
  const bool rivals =
      !weights.rival.empty() && std::ranges::find(map.files(), weights.rival) == map.files().end();
  if (rivals) return folder::ambiguous_weights(weights.rival, weights.index).in(folder_.label());
  return {};
}

Status ShardedSource::load_shards(std::span<const std::string> files, const folder::WeightMap* map,
                                  const std::string& index, const SourceOptions& options) {
  MergedDescription merged(meter_);
  const auto work = std::make_shared<InflateWork>(options.inflate_budget);
  for (const std::string& name : files) {
    WPACK_ASSIGN(os::File file, folder_.open(name));
    WPACK_ASSIGN(auto source, open_file_source(std::move(file), options, meter_, work));
    meter_.add(source->kept_bytes());
    if (Status status = merged.add(name, source->take_description()); !status)
      return std::move(status).error().in(folder_.label(name));
    shards_.add(name, std::move(source));
  }
  if (Status status = merged.check(map, escape_name(index, 256)); !status)
    return std::move(status).error().in(map != nullptr ? folder_.label(index) : folder_.label());
  first_tensors_ = merged.first_tensors();
  description_ = merged.take();
  return {};
}

// Attaches or leaves out everything that is no weight.
Status ShardedSource::sort_out(std::span<const std::string> names, const std::string& index,
                               bool attachments) {
  std::size_t other_weights = 0;
  std::string first_weight;
  for (const std::string& name : names) {
    if (attachments && (name == index || folder::is_attached(name))) {
      WPACK_TRY(attach(name));
      continue;
    }
    leave_out(name, "");
    if (name != index && folder::is_weight_name(name) && other_weights++ == 0) first_weight = name;
  }
  if (other_weights == 0) return {};
  const std::string more =
      other_weights > 1 ? fmt::format(" (and {} more)", other_weights - 1) : "";
  description_.warnings.push_back(
      fmt::format("{}{} is left out: the weights are those of {}", escape_name(first_weight, 256),
                  more, escape_name(index.empty() ? shards_.name(0) : index, 256)));
  return {};
}

Status ShardedSource::attach(const std::string& name) {
  if (!base::is_attachment_name(name)) {
    leave_out(name, "an attachment's name holds letters, digits, . _ and - alone");
    return {};
  }
  WPACK_ASSIGN(const os::File file, folder_.open(name));
  WPACK_ASSIGN(const os::FileIdentity identity, file.identity());
  if (identity.size > folder::kMaxAttachmentSize) {
    leave_out(name, fmt::format("{} bytes, more than the {} of an attachment", identity.size,
                                folder::kMaxAttachmentSize));
    return {};
  }
  if (attached_.size() == folder::kMaxAttachments) {
    return Error(ErrorCode::kLimit,
                 fmt::format("{}: holds more than {} files to attach, which is the format's limit",
                             folder_.label(), folder::kMaxAttachments));
  }
  description_.attachments.push_back({.name = name, .size = identity.size});
  attached_.push_back(identity);
  return {};
}

// A reason is worth a warning: the rule would have had the file attached.
void ShardedSource::leave_out(const std::string& name, std::string_view reason) {
  const std::string printed = escape_name(name, 256);
  description_.left_out_files.push_back(reason.empty() ? printed
                                                       : fmt::format("{} ({})", printed, reason));
  if (!reason.empty())
    description_.warnings.push_back(fmt::format("{} is left out: {}", printed, reason));
}

Status ShardedSource::read(std::size_t index, std::uint64_t offset, MutableBytes out) {
  if (index >= description_.tensors.size() ||
      !base::range_within(offset, out.size(), description_.tensors[index].nbytes)) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("{}: {} bytes at {} are not inside tensor {}", folder_.label(),
                             out.size(), offset, index));
  }
  const auto after = std::ranges::upper_bound(first_tensors_, index);
  const auto shard = static_cast<std::size_t>(after - first_tensors_.begin()) - 1;
  const auto read_shard = [&]() -> Status {
    WPACK_ASSIGN(FileSource* const source, shards_.use(shard));
    return source->read(index - first_tensors_[shard], offset, out);
  };
  Status status = read_shard();
  if (status) return {};
  return std::move(status).error().in(
      fmt::format("tensor \"{}\"", escape_name(description_.tensors[index].name)));
}

Status ShardedSource::read_attachment(std::size_t index, std::uint64_t offset, MutableBytes out) {
  if (index >= attached_.size() || !base::range_within(offset, out.size(), attached_[index].size)) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("{}: {} bytes at {} are not inside attachment {}", folder_.label(),
                             out.size(), offset, index));
  }
  if (open_attachment_ != index) {
    open_attachment_ = kNone;
    attachment_file_ = os::File();
    WPACK_ASSIGN(attachment_file_,
                 folder_.reopen(description_.attachments[index].name, attached_[index]));
    open_attachment_ = index;
  }
  return attachment_file_.read_exact(offset, out);
}

Status ShardedSource::finish(const KeepGoing& keep_going) {
  for (std::size_t shard = 0; shard < shards_.size(); ++shard) {
    WPACK_ASSIGN(FileSource* const source, shards_.use(shard));
    WPACK_TRY(source->finish(keep_going));
  }
  for (std::size_t i = 0; i < attached_.size(); ++i)
    WPACK_TRY(folder_.reopen(description_.attachments[i].name, attached_[i]));
  return {};
}

Result<std::unique_ptr<TensorSource>> open_weights(Folder folder,
                                                   const folder::WeightFiles& weights,
                                                   std::vector<std::string> names,
                                                   const SourceOptions& options,
                                                   const MemoryMeter& meter) {
  auto source = std::make_unique<ShardedSource>(std::move(folder), meter);
  WPACK_TRY(source->load(weights, std::move(names), options));
  return std::unique_ptr<TensorSource>(std::move(source));
}

}  // namespace

Result<std::unique_ptr<TensorSource>> open_folder(os::UniqueFd directory, const std::string& path,
                                                  const SourceOptions& options, MemoryMeter meter) {
  Folder folder(std::move(directory), path);
  WPACK_ASSIGN(std::vector<std::string> names, os::read_directory(folder.fd(), folder.label()));
  // Which of several names is named in a message is decided by the names alone.
  std::ranges::sort(names);
  const auto weights = folder::choose_weights(names);
  if (!weights) return Error(weights.error()).in(folder.label());
  if (weights->index.empty() && weights->files.empty()) return std::unique_ptr<TensorSource>();
  return open_weights(std::move(folder), *weights, std::move(names), options, meter);
}

Result<std::unique_ptr<TensorSource>> open_index(const std::string& path,
                                                 const SourceOptions& options) {
  const std::size_t slash = path.rfind('/');
  const std::string parent = slash == std::string::npos ? "." : path.substr(0, slash + 1);
  WPACK_ASSIGN(os::UniqueFd directory, os::open_directory(parent));
  Folder folder(std::move(directory), parent);
  WPACK_ASSIGN(std::vector<std::string> names, os::read_directory(folder.fd(), folder.label()));
  folder::WeightFiles weights;
  weights.index = slash == std::string::npos ? path : path.substr(slash + 1);
  return open_weights(std::move(folder), weights, std::move(names), options,
                      MemoryMeter(options.metadata_budget));
}

}  // namespace wpack::import
