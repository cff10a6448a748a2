// Reading a whole container once, from front to back, and checking all that can be checked.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "load/index_reader.h"
#include "load/scan_bytes.h"
#include "load/tensor_hasher.h"
#include "wpack/error.h"
#include "wpack/progress.h"
#include "wpack/verify.h"

namespace wpack::load {

// Memory: a buffer of at most 256 KiB, and four bytes a tensor.
//
// Thread safety: one thread at a time.
class ContainerScan {
 public:
  // `index` and `progress` outlive the scan, which stops after `max_faults`.
  ContainerScan(const OpenedIndex& index, const ProgressCallback& progress,
                std::uint64_t max_faults, ScanReading reading = {});

  // Errors: kCancelled. Everything else becomes a fault of the report.
  [[nodiscard]] Status run();
  [[nodiscard]] VerifyReport take_report() { return std::move(report_); }

 private:
  void check_index();
  void check_empty_tensors();
  void check_directory();
  [[nodiscard]] Status scan_shard(std::uint32_t shard);
  // Opens a shard and checks its envelope; false if its payload is not worth looking at.
  [[nodiscard]] bool open_shard(std::uint32_t shard);
  [[nodiscard]] Status scan_extent(std::uint32_t extent);
  // Checks chunks, the gaps between them, and the tensors of `ranges` but for those that the hasher
  // defers.
  [[nodiscard]] Status scan_chunks(std::uint32_t extent, std::span<const TensorRange> ranges);
  // Checks the tensors of one range by reading its bytes again.
  [[nodiscard]] Status scan_range(const format::ExtentRow& extent, const TensorRange& range);
  // Hashes [begin, end) of the shard and returns the hash; an unreadable piece is a fault and
  // sets `damaged`.
  [[nodiscard]] Result<std::uint64_t> hash_chunk(ByteRange range, bool& damaged);
  [[nodiscard]] Status scan_padding(ByteRange range);
  void compare(std::span<const TensorHasher::Result> results);

  [[nodiscard]] Status advance(std::uint64_t size);
  // Leaves out the tensors' own checksums if tensors overlap more than the format allows.
  void limit_overlap();
  // "tensor 'name'": the first one of those that lie in the extent that is being scanned.
  [[nodiscard]] const std::string& describe(std::uint32_t extent);
  void add_fault(Error error);
  [[nodiscard]] bool full() const noexcept { return report_.faults.size() >= max_faults_; }

  const OpenedIndex& index_;
  const format::Index& rows_;
  const ProgressCallback& progress_;
  const std::uint64_t max_faults_;
  VerifyReport report_;
  Progress done_;
  std::uint64_t reported_bytes_ = 0;  // done_ when progress_ was last called

  std::vector<std::uint32_t> tensors_;  // by place
  std::size_t next_tensor_ = 0;         // of tensors_
  std::uint32_t next_extent_ = 0;
  TensorHasher hasher_;
  std::span<const std::uint32_t> placed_;  // the tensors of the extent that is being scanned
  std::vector<bool> damaged_;              // its chunks
  std::string description_;                // of it; empty until it is needed

  ScanBytes bytes_;  // of the shard that is being scanned
};

}  // namespace wpack::load
