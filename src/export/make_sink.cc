#include "export/tensor_sink.h"
#include "export/torch_layout.h"

namespace wpack::exporting {

Result<std::unique_ptr<TensorSink>> make_sink(UnpackFormat format, const os::File& file,
                                              std::string_view path, ExportSource source) {
  if (format == UnpackFormat::kSafetensors) return make_safetensors_sink(file, source);
  return make_torch_sink(file, source, archive_name_of(path));
}

}  // namespace wpack::exporting
