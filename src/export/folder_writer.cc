#include "export/folder_writer.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

#include "export/tensor_sink.h"
#include "export/tensor_transfer.h"
#include "export/tied_tensors.h"
#include "os/file.h"
#include "wpack/text.h"

namespace wpack::exporting {
namespace {

constexpr std::uint64_t kPieceSize = std::uint64_t{1} << 20;  // of an attachment

class FolderWriter {
 public:
  FolderWriter(const Container& container, const FolderPlan& plan, const os::UniqueFd& directory,
               const std::string& label, const ProgressCallback& progress)
      : container_(container),
        plan_(plan),
        directory_(directory),
        label_(label),
        tensors_(find_tied_tensors(list_tensors(container))),
        metadata_(container.metadata()),
        transfer_(container, progress, label) {
    std::ranges::copy_if(metadata_, std::back_inserter(shared_metadata_), [](const auto& entry) {
      return entry.origin == MetadataOrigin::kSafetensors;
    });
  }

  [[nodiscard]] Result<UnpackReport> run() {
    // What a file cannot hold shows before anything is written.
    const os::File none;
    for (std::size_t i = 0; i < plan_.files.size(); ++i) {
      WPACK_ASSIGN(const Planned planned, plan_file(i, none));
      transfer_.expect(*planned.sink, plan_.files[i].tensors);
    }
    for (std::size_t i = 0; i < plan_.files.size(); ++i) WPACK_TRY(write_weights(i));
    for (const AttachmentInfo& attachment : container_.attachments()) {
      if (std::ranges::find(plan_.attachments, attachment.name) != plan_.attachments.end())
        WPACK_TRY(write_attachment(attachment));
    }
    report_.tensor_count = tensors_.size();
    report_.tensor_bytes = transfer_.moved_bytes();
    return std::move(report_);
  }

 private:
  // A sink and the descriptions that it refers to.
  struct Planned {
    std::unique_ptr<std::vector<ExportTensor>> tensors;
    std::unique_ptr<TensorSink> sink;
  };

  [[nodiscard]] std::string label_of(std::string_view name) const {
    return fmt::format("{}/{}", label_, escape_name(name));
  }

  [[nodiscard]] Result<Planned> plan_file(std::size_t number, const os::File& file) const {
    const FolderPlan::File& planned = plan_.files[number];
    Planned result{std::make_unique<std::vector<ExportTensor>>(tensors_of(planned)), nullptr};
    const auto& metadata = number == 0 ? metadata_ : shared_metadata_;
    auto sink = make_sink(plan_.format, file, planned.name,
                          {.tensors = *result.tensors, .metadata = metadata});
    if (!sink) return std::move(sink).error().in(label_of(planned.name));
    result.sink = *std::move(sink);
    return result;
  }

  // Ties between files are none.
  [[nodiscard]] std::vector<ExportTensor> tensors_of(const FolderPlan::File& file) const {
    std::vector<ExportTensor> tensors;
    tensors.reserve(file.tensors.size());
    for (const std::uint32_t id : file.tensors) {
      ExportTensor& tensor = tensors.emplace_back(tensors_[id]);
      if (tensor.tied_to == ExportTensor::kNotTied) continue;
      const auto owner = std::ranges::lower_bound(file.tensors, tensor.tied_to);
      const bool here = owner != file.tensors.end() && *owner == tensor.tied_to;
      tensor.tied_to =
          here ? static_cast<std::size_t>(owner - file.tensors.begin()) : ExportTensor::kNotTied;
    }
    return tensors;
  }

  [[nodiscard]] Status write_weights(std::size_t number) {
    const FolderPlan::File& planned = plan_.files[number];
    WPACK_ASSIGN(const os::File file,
                 os::File::create_at(directory_, planned.name, label_of(planned.name)));
    WPACK_ASSIGN(const Planned plan, plan_file(number, file));
    WPACK_TRY(file.reserve(plan.sink->file_size()));
    WPACK_TRY(transfer_.move(file, *plan.sink, planned.tensors));
    WPACK_TRY(plan.sink->finish());
    WPACK_TRY(file.sync());
    report_.files.push_back(planned.name);
    report_.file_bytes += plan.sink->file_size();
    return {};
  }

  [[nodiscard]] Status write_attachment(const AttachmentInfo& attachment) {
    const std::string name(attachment.name);
    WPACK_ASSIGN(const os::File file, os::File::create_at(directory_, name, label_of(name)));
    std::vector<std::byte> buffer(static_cast<std::size_t>(std::min(attachment.size, kPieceSize)));
    for (std::uint64_t offset = 0; offset < attachment.size; offset += buffer.size()) {
      const auto piece = MutableBytes(buffer).first(static_cast<std::size_t>(
          std::min<std::uint64_t>(buffer.size(), attachment.size - offset)));
      WPACK_TRY(container_.read_attachment(name, offset, piece));
      WPACK_TRY(file.write_all(offset, piece));
      WPACK_TRY(transfer_.report());
    }
    WPACK_TRY(file.sync());
    report_.files.push_back(name);
    report_.file_bytes += attachment.size;
    return {};
  }

  const Container& container_;
  const FolderPlan& plan_;
  const os::UniqueFd& directory_;
  const std::string& label_;
  const std::vector<ExportTensor> tensors_;
  const std::vector<MetadataEntry> metadata_;
  std::vector<MetadataEntry> shared_metadata_;
  TensorTransfer transfer_;
  UnpackReport report_;
};

}  // namespace

Result<UnpackReport> write_folder(const Container& container, const FolderPlan& plan,
                                  const os::UniqueFd& directory, const std::string& label,
                                  const ProgressCallback& progress) {
  return FolderWriter(container, plan, directory, label, progress).run();
}

}  // namespace wpack::exporting
