#include "wpack/pack.h"

#include <fmt/format.h>

#include <algorithm>

#include "format/index_builder.h"
#include "format/index_file.h"
#include "os/file.h"
#include "os/staged_directory.h"
#include "pack/index_contents.h"
#include "pack/pipeline.h"
#include "pack/ties.h"
#include "wpack/version.h"

namespace wpack {
namespace {

using format::IndexContents;

// Writes the envelope of every shard and waits until the shard is on stable storage.
Result<std::vector<std::uint64_t>> seal_shards(const os::StagedDirectory& staged, const Uuid& uuid,
                                               const std::vector<format::ShardRow>& shards) {
  std::vector<std::uint64_t> hashes;
  const auto count = static_cast<std::uint32_t>(shards.size());
  for (std::uint32_t i = 0; i < count; ++i) {
    const std::string name = format::shard_file_name(i);
    WPACK_ASSIGN(
        const os::File file,
        os::File::open_update_at(staged.fd(), name, fmt::format("{}/{}", staged.label(), name)));
    const auto page = format::encode_shard_envelope(uuid, i, count, shards[i].data_end);
    WPACK_TRY(file.write_all(0, page));
    WPACK_TRY(file.sync());
    WPACK_ASSIGN(const format::Envelope envelope,
                 format::decode_envelope(page, shards[i].file_size));
    hashes.push_back(envelope.envelope_hash);
  }
  return hashes;
}

Status write_index(const os::StagedDirectory& staged, Bytes bytes) {
  WPACK_ASSIGN(const os::File file,
               os::File::create_at(staged.fd(), format::kIndexFileName,
                                   fmt::format("{}/{}", staged.label(), format::kIndexFileName)));
  WPACK_TRY(file.write_all(0, bytes));
  return file.sync();
}

// Reads back what was written, with the reader's own checks.
Status validate(const os::StagedDirectory& staged) {
  const auto label = [&](const std::string& name) {
    return fmt::format("{}/{}", staged.label(), name);
  };
  const std::string index_label = label(format::kIndexFileName);
  WPACK_ASSIGN(const os::File file,
               os::File::open_read_at(staged.fd(), format::kIndexFileName, index_label));
  WPACK_ASSIGN(const std::uint64_t size, file.size());
  std::vector<std::byte> bytes(size);
  WPACK_TRY(file.read_exact(0, bytes));
  Result<format::IndexFile> index = format::parse_index_file(bytes, nullptr);
  if (!index) return std::move(index).error().in(index_label);
  for (std::uint32_t i = 0; i < index->index.shards().size(); ++i) {
    const std::string name = format::shard_file_name(i);
    WPACK_ASSIGN(const os::File shard, os::File::open_read_at(staged.fd(), name, label(name)));
    WPACK_ASSIGN(const std::uint64_t shard_size, shard.size());
    format::EnvelopeBytes page{};
    WPACK_TRY(shard.read_exact(0, page));
    Result<format::Envelope> envelope = format::decode_envelope(page, shard_size);
    if (!envelope) return std::move(envelope).error().in(label(name));
    Status same =
        format::check_shard_envelope(*envelope, index->envelope, i, index->index.shards()[i]);
    if (!same) return std::move(same).error().in(label(name));
  }
  return {};
}

// The plan did not know which contents are equal: what is stored once is less payload.
Status check_overlap(const IndexContents& contents) {
  std::uint64_t payload = 0;
  for (const format::ExtentRow& extent : contents.extents) payload += extent.raw_size;
  std::vector<format::TensorPlace> places;
  places.reserve(contents.tensors.size());
  for (const IndexContents::Tensor& tensor : contents.tensors) {
    if (tensor.row.nbytes > 0)
      places.emplace_back(tensor.row.extent, tensor.row.byte_offset, tensor.row.nbytes);
  }
  return packing::check_overlap(std::move(places), payload);
}

// All but what the index's own bytes decide.
PackReport report_of(const PackPlan& plan, const IndexContents& contents) {
  PackReport report;
  report.tensor_count = contents.tensors.size();
  report.alias_count = static_cast<std::uint64_t>(std::ranges::count_if(
      contents.tensors,
      [](const IndexContents::Tensor& tensor) { return tensor.row.alias_of != format::kNone; }));
  report.layer_count = contents.layers.size();
  report.shard_count = contents.shards.size();
  report.payload_bytes = plan.payload_bytes;
  for (const format::ShardRow& shard : contents.shards) report.container_bytes += shard.file_size;
  report.excluded_count = plan.excluded_count;
  return report;
}

// Builds the index of the shards that lie in `staged`, and writes it. Completes `report`.
Status seal(const os::StagedDirectory& staged, IndexContents contents, PackReport& report) {
  const std::vector<format::ShardRow> shards = contents.shards;
  std::vector<std::byte> file;
  {
    WPACK_ASSIGN(std::vector<std::byte> index, format::build_index(std::move(contents)));
    report.uuid = format::uuid_of_index(index);
    WPACK_ASSIGN(const std::vector<std::uint64_t> hashes, seal_shards(staged, report.uuid, shards));
    format::set_envelope_hashes(index, hashes);
    file = format::encode_index_file(index, report.uuid, static_cast<std::uint32_t>(shards.size()));
  }
  report.container_bytes += file.size();
  return write_index(staged, file);
}

// Everything is written; what is left are checks.
Status keep_going(const PackPlan& plan, const PackOptions& options) {
  if (!options.progress || options.progress({plan.payload_bytes, plan.payload_bytes})) return {};
  return Error(ErrorCode::kCancelled, "cancelled");
}

}  // namespace

Result<PackReport> pack(TensorSource& source, const std::string& path, const PackOptions& options) {
  WPACK_ASSIGN(const PackPlan plan, plan_pack(source.description(), options));
  WPACK_ASSIGN(os::StagedDirectory staged,
               os::StagedDirectory::create(
                   path, format::kIndexFileName,
                   options.replace ? os::ExistingTarget::kReplace : os::ExistingTarget::kRefuse));
  WPACK_ASSIGN(packing::PipelineResult result,
               packing::run_pipeline(source, plan, options, staged.fd(), staged.label()));
  WPACK_TRY(source.finish([&] { return keep_going(plan, options).has_value(); }));

  const std::uint64_t shared_bytes = result.written.shared_bytes;
  IndexContents contents =
      packing::make_index_contents(source.description(), plan, std::move(result));
  if (Status status = check_overlap(contents); !status)
    return std::move(status).error().in(staged.label());
  PackReport report = report_of(plan, contents);
  WPACK_TRY(seal(staged, std::move(contents), report));
  WPACK_TRY(validate(staged));
  WPACK_TRY(keep_going(plan, options));
  WPACK_TRY(staged.publish());

  report.shared_bytes = shared_bytes;
  report.swept = staged.swept();
  report.kept = staged.kept();
  return report;
}

}  // namespace wpack
