#include "wpack/verify.h"

#include "load/container_scan.h"
#include "load/envelope_reader.h"
#include "load/index_reader.h"
#include "os/file.h"

namespace wpack {

Result<VerifyReport> verify(const std::string& path, const VerifyOptions& options) {
  WPACK_ASSIGN(const load::OpenedIndex index, load::open_index(path, options.max_index_bytes));
  load::ContainerScan scan(index, options.progress, options.max_faults);
  WPACK_TRY(scan.run());
  return scan.take_report();
}

Result<EnvelopeInfo> inspect_file(const std::string& path) {
  WPACK_ASSIGN(const os::File file, os::File::open_read(path));
  WPACK_ASSIGN(const format::Envelope envelope, load::read_envelope(file));
  EnvelopeInfo info{.index = envelope.kind == format::FileKind::kIndex,
                    .format_major = envelope.format_major,
                    .format_minor = envelope.format_minor,
                    .uuid = envelope.uuid,
                    .shard_count = envelope.shard_count,
                    .file_size = envelope.file_size,
                    .data = envelope.data,
                    .incompatible_flags = envelope.incompatible_flags,
                    .compatible_flags = envelope.compatible_flags,
                    .envelope_hash = envelope.envelope_hash};
  if (!info.index) info.shard_number = envelope.shard_number;
  return info;
}

}  // namespace wpack
