// An AsyncReader that asks for an alignment, refuses requests without it as a real one would, and
// notes where it was told to read.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <utility>
#include <vector>

#include "wpack/async_reader.h"
#include "wpack/types.h"

namespace wpack::testing {

// Where the readers of one container were told to read; shared with the test.
struct RecordedReads {
  std::mutex mutex;
  std::vector<MutableBytes> places;
  std::size_t most_in_flight = 0;  // of one reader
  std::vector<ByteRange> ranges;   // of the files
};

class RecordingReader final : public AsyncReader {
 public:
  RecordingReader(std::unique_ptr<AsyncReader> reader, const ReadLimits& limits,
                  std::shared_ptr<RecordedReads> recorded)
      : reader_(std::move(reader)), limits_(limits), recorded_(std::move(recorded)) {}

  [[nodiscard]] std::string_view name() const noexcept override { return "recording"; }
  [[nodiscard]] ReadLimits limits() const noexcept override { return limits_; }

  Result<std::size_t> submit(std::span<const ReadRequest> requests) override {
    for (const ReadRequest& request : requests) {
      const auto address = reinterpret_cast<std::uintptr_t>(request.out.data());
      if (request.offset % limits_.offset_alignment != 0 ||
          address % limits_.memory_alignment != 0 ||
          request.out.size() % limits_.size_alignment != 0)
        return Error(ErrorCode::kInvalidArgument, "a request is not aligned");
    }
    const std::size_t room = limits_.max_in_flight - in_flight_;
    WPACK_ASSIGN(const std::size_t accepted,
                 reader_->submit(requests.first(std::min(room, requests.size()))));
    in_flight_ += accepted;
    const std::lock_guard lock(recorded_->mutex);
    recorded_->most_in_flight = std::max(recorded_->most_in_flight, in_flight_);
    for (const ReadRequest& request : requests.first(accepted)) {
      recorded_->places.push_back(request.out);
      recorded_->ranges.push_back({request.offset, request.offset + request.out.size()});
    }
    return accepted;
  }

  std::size_t poll(std::span<ReadCompletion> completions, std::size_t min_count) override {
    const std::size_t count = reader_->poll(completions, min_count);
    in_flight_ -= count;
    return count;
  }

  void cancel() noexcept override { reader_->cancel(); }

 private:
  std::unique_ptr<AsyncReader> reader_;
  const ReadLimits limits_;
  std::shared_ptr<RecordedReads> recorded_;
  std::size_t in_flight_ = 0;
};

}  // namespace wpack::testing
