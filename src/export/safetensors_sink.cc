#include "export/safetensors_layout.h"
#include "export/tensor_sink.h"

namespace wpack::exporting {
namespace {

class SafetensorsSink final : public TensorSink {
 public:
  SafetensorsSink(const os::File& file, SafetensorsLayout layout)
      : file_(file), layout_(std::move(layout)) {}

  [[nodiscard]] std::uint64_t file_size() const noexcept override { return layout_.file_size; }

  [[nodiscard]] bool wants(std::size_t /*index*/) const noexcept override { return true; }

  [[nodiscard]] Status write(std::size_t index, std::uint64_t offset, Bytes bytes) override {
    return file_.write_all(layout_.positions[index] + offset, bytes);
  }

  [[nodiscard]] Status finish() override {
    return file_.write_all(0, std::as_bytes(std::span(layout_.front)));
  }

 private:
  const os::File& file_;
  SafetensorsLayout layout_;
};

}  // namespace

Result<std::unique_ptr<TensorSink>> make_safetensors_sink(const os::File& file,
                                                          ExportSource source) {
  WPACK_ASSIGN(SafetensorsLayout layout, plan_safetensors(source));
  return std::make_unique<SafetensorsSink>(file, std::move(layout));
}

}  // namespace wpack::exporting
