#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <set>

#include "base/file_name.h"
#include "export/folder_writer.h"
#include "export/tensor_transfer.h"
#include "folder/weight_files.h"
#include "folder/weight_map.h"
#include "os/staged_directory.h"
#include "wpack/text.h"
#include "wpack/unpack.h"

namespace wpack {
namespace {

using exporting::FolderPlan;

struct Kind {
  UnpackFormat format;
  std::string_view source_format;
  std::string_view extension;
  std::string_view file;  // where no better name is known
};
constexpr Kind kKinds[] = {
    {UnpackFormat::kSafetensors, "safetensors", ".safetensors", "model.safetensors"},
    {UnpackFormat::kTorch, "torch-zip", ".bin", "pytorch_model.bin"}};

const Kind& kind_of(const Container& container, UnpackFormat wanted) {
  const ContainerInfo info = container.info();
  for (const Kind& kind : kKinds) {
    if (wanted == UnpackFormat::kByName ? kind.source_format == info.source_format
                                        : kind.format == wanted)
      return kind;
  }
  return kKinds[0];
}

// Returns the attachment `info`, which is small enough to be an index.
Result<folder::WeightMap> read_index(const Container& container, const AttachmentInfo& info) {
  if (info.size > folder::kMaxWeightMapText)
    return Error(ErrorCode::kLimit, fmt::format("it has {} bytes", info.size));
  WPACK_ASSIGN(const std::vector<std::byte> bytes, container.attachment(info.name));
  return folder::WeightMap::parse({reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

// The files that `index` says, or why the container's tensors cannot be split like that.
Result<std::vector<FolderPlan::File>> split(const Container& container,
                                            const folder::WeightMap& index, const Kind& kind) {
  const auto unfit = [](std::string reason) {
    return Error(ErrorCode::kBadInput, std::move(reason));
  };
  std::vector<FolderPlan::File> files;
  for (const std::string& name : index.files()) {
    if (!name.ends_with(kind.extension))
      return unfit(
          fmt::format("it names {}, not {} files", escape_name(name, 256), kind.extension));
    files.push_back({.name = name, .tensors = {}});
  }
  for (std::size_t i = 0; i < index.size(); ++i) {
    const auto tensor = container.find(index.name(i));
    if (!tensor) {
      return unfit(fmt::format("it names tensor \"{}\", which is not in the container",
                               escape_name(index.name(i), 256)));
    }
    files[index.file(i)].tensors.push_back(tensor->id);
  }
  if (index.size() != container.tensor_count()) {
    return unfit(
        fmt::format("it names {} of the {} tensors", index.size(), container.tensor_count()));
  }
  for (FolderPlan::File& file : files) std::ranges::sort(file.tensors);
  return files;
}

// One file with everything, called as the one that the container was packed from, if it was one.
FolderPlan::File single_file(const Container& container, const Kind& kind) {
  FolderPlan::File file{.name = std::string(kind.file),
                        .tensors = std::vector<std::uint32_t>(container.tensor_count())};
  std::iota(file.tensors.begin(), file.tensors.end(), 0U);
  const std::vector<SourceFile> sources = container.sources();
  const bool known = sources.size() == 1 && sources[0].name.ends_with(kind.extension) &&
                     base::is_plain_file_name(sources[0].name) &&
                     folder::is_weight_name(sources[0].name);
  if (known) file.name = sources[0].name;
  return file;
}

class Planner {
 public:
  Planner(const Container& container, const Kind& kind) : container_(container), kind_(kind) {}

  // Errors: kBadInput, kIo, kIntegrity.
  [[nodiscard]] Result<FolderPlan> plan() {
    plan_.format = kind_.format;
    for (const AttachmentInfo& attachment : container_.attachments()) {
      if (!folder::is_index_name(attachment.name)) {
        plan_.attachments.emplace_back(attachment.name);
      } else {
        WPACK_TRY(try_index(attachment));
      }
    }
    if (plan_.files.empty()) plan_.files.push_back(single_file(container_, kind_));
    for (const FolderPlan::File& file : plan_.files) {
      if (std::ranges::find(plan_.attachments, file.name) == plan_.attachments.end()) continue;
      return Error(ErrorCode::kBadInput,
                   fmt::format("attachment '{}' has the name of a file of weights", file.name));
    }
    return std::move(plan_);
  }
  [[nodiscard]] std::vector<std::string> take_left_out() { return std::move(left_out_); }

 private:
  // An index that does not fit would mislead whoever reads the folder.
  [[nodiscard]] Status try_index(const AttachmentInfo& attachment) {
    auto index = read_index(container_, attachment);
    if (!index && index.error().code() != ErrorCode::kBadInput &&
        index.error().code() != ErrorCode::kLimit)
      return std::move(index).error();
    auto files = index ? split(container_, *index, kind_)
                       : Result<std::vector<FolderPlan::File>>(std::move(index).error());
    if (files && !plan_.files.empty())
      files = Error(ErrorCode::kBadInput, "another index splits the tensors already");
    if (!files) {
      left_out_.push_back(fmt::format("{}: {}", attachment.name, files.error().message()));
      return {};
    }
    plan_.files = *std::move(files);
    plan_.attachments.emplace_back(attachment.name);
    return {};
  }

  const Container& container_;
  const Kind& kind_;
  FolderPlan plan_;
  std::vector<std::string> left_out_;
};

}  // namespace

Result<UnpackReport> unpack_folder(const Container& container, const std::string& path,
                                   const UnpackOptions& options) {
  if (options.replace) {
    return Error(ErrorCode::kInvalidArgument,
                 fmt::format("{}: a folder is not replaced, since that would remove what else is "
                             "in it",
                             escape_name(path)));
  }
  WPACK_ASSIGN(const Container source,
               exporting::reopen_verifying(container, options.max_index_bytes));
  Planner planner(source, kind_of(source, options.format));
  auto plan = planner.plan();
  if (!plan) return std::move(plan).error().in(escape_name(path));
  WPACK_ASSIGN(os::StagedDirectory staged,
               os::StagedDirectory::create(path, "", os::ExistingTarget::kRefuse));
  WPACK_ASSIGN(UnpackReport report, exporting::write_folder(source, *plan, staged.fd(),
                                                            staged.label(), options.progress));
  WPACK_TRY(staged.publish());
  report.left_out = planner.take_left_out();
  report.swept = staged.swept();
  return report;
}

}  // namespace wpack
