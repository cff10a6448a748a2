#include <libdeflate.h>

#include "export/tensor_sink.h"
#include "export/torch_layout.h"

namespace wpack::exporting {
namespace {

class TorchSink final : public TensorSink {
 public:
  TorchSink(const os::File& file, TorchLayout layout) : file_(file), layout_(std::move(layout)) {}

  [[nodiscard]] std::uint64_t file_size() const noexcept override { return layout_.file_size; }

  [[nodiscard]] bool wants(std::size_t index) const noexcept override {
    return layout_.member_of[index] != TorchLayout::kNoMember;
  }

  [[nodiscard]] Status write(std::size_t index, std::uint64_t offset, Bytes bytes) override {
    ZipMember& member = layout_.members[layout_.member_of[index]];
    member.crc32 = libdeflate_crc32(member.crc32, bytes.data(), bytes.size());
    return file_.write_all(member.data_position + offset, bytes);
  }

  [[nodiscard]] Status finish() override {
    for (std::size_t i = 0; i < layout_.members.size(); ++i) {
      ZipMember& member = layout_.members[i];
      const std::string& contents = layout_.contents[i];
      if (!contents.empty()) member.crc32 = libdeflate_crc32(0, contents.data(), contents.size());
      WPACK_TRY(write_text(member.header_position, local_header(member) + contents));
    }
    return write_text(layout_.directory_position,
                      central_directory(layout_.members, layout_.directory_position));
  }

 private:
  [[nodiscard]] Status write_text(std::uint64_t position, const std::string& text) const {
    return file_.write_all(position, std::as_bytes(std::span(text)));
  }

  const os::File& file_;
  TorchLayout layout_;
};

}  // namespace

Result<std::unique_ptr<TensorSink>> make_torch_sink(const os::File& file, ExportSource source,
                                                    std::string_view archive_name) {
  WPACK_ASSIGN(TorchLayout layout, plan_torch(source, archive_name));
  return std::make_unique<TorchSink>(file, std::move(layout));
}

}  // namespace wpack::exporting
