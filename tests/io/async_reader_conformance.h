// What every AsyncReader promises (wpack/async_reader.h). Capabilities are data: the suite shapes
// its requests by limits(). A test of an engine says
//   INSTANTIATE_TEST_SUITE_P(Pread, AsyncReaderConformanceTest, Values(AsyncReaderCase{...}));
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "os/file.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"
#include "wpack/async_reader.h"

namespace wpack::testing {

struct AsyncReaderCase {
  std::string name;
  std::function<Result<std::unique_ptr<AsyncReader>>()> make;
  friend std::ostream& operator<<(std::ostream& out, const AsyncReaderCase& engine) {
    return out << engine.name;
  }
};

// One request in the units of an engine, its memory, and whether it has completed.
struct TrackedRead {
  std::uint64_t offset = 0;
  std::vector<std::byte> memory;
  MutableBytes out = {};
  int completions = 0;
  std::optional<Error> error = std::nullopt;
};

class AsyncReaderConformanceTest : public ::testing::TestWithParam<AsyncReaderCase> {
 protected:
  static constexpr std::uint64_t kFileSize = 1 << 20;

  void SetUp() override {
    std::string contents(kFileSize, '\0');
    std::uint32_t state = 1;
    for (char& byte : contents) byte = static_cast<char>((state = state * 1664525 + 1) >> 24U);
    contents_ = contents;
    auto file = os::File::open_read(directory_.write("data", contents));
    ASSERT_THAT(file, IsOk());
    file_ = *std::move(file);
    auto reader = GetParam().make();
    ASSERT_THAT(reader, IsOk());
    reader_ = *std::move(reader);
  }

  // The smallest request that every limit allows.
  [[nodiscard]] std::uint64_t unit() const {
    const ReadLimits limits = reader_->limits();
    return std::max({limits.offset_alignment, limits.size_alignment, std::uint64_t{512}});
  }

  [[nodiscard]] TrackedRead& track(std::uint64_t offset, std::uint64_t size) {
    const std::uint64_t alignment = reader_->limits().memory_alignment;
    TrackedRead read{.offset = offset, .memory = std::vector<std::byte>(size + alignment)};
    const auto address = reinterpret_cast<std::uintptr_t>(read.memory.data());
    const std::uint64_t skip = (alignment - address % alignment) % alignment;
    read.out = MutableBytes(read.memory).subspan(skip, size);
    reads_.push_back(std::move(read));  // moving a vector keeps its memory where it is
    return reads_.back();
  }

  [[nodiscard]] ReadRequest request(std::size_t index) {
    return {file_.fd(), reads_[index].offset, reads_[index].out, index};
  }

  void count(const ReadCompletion& completion) {
    ASSERT_LT(completion.user_data, reads_.size());
    ++reads_[completion.user_data].completions;
    reads_[completion.user_data].error = completion.error;
  }

  // Submits every tracked read and polls until nothing is in flight.
  void run_all() {
    std::size_t next = 0;
    std::size_t open = 0;
    while (next < reads_.size() || open > 0) {
      std::vector<ReadRequest> batch;
      for (std::size_t i = next; i < reads_.size(); ++i) batch.push_back(request(i));
      auto accepted = reader_->submit(batch);
      ASSERT_THAT(accepted, IsOk());
      next += *accepted;
      open += *accepted;
      ASSERT_GT(open, 0U) << "an idle engine accepts at least one request";
      open -= drain(1);
    }
  }

  std::size_t drain(std::size_t min_count) {
    std::vector<ReadCompletion> completions(3);
    const std::size_t got = reader_->poll(completions, min_count);
    EXPECT_GE(got, min_count);
    for (std::size_t i = 0; i < got; ++i) count(completions[i]);
    return got;
  }

  void expect_contents(const TrackedRead& read) const {
    EXPECT_EQ(read.completions, 1);
    ASSERT_FALSE(read.error) << read.error->message();
    EXPECT_EQ(std::memcmp(read.out.data(), &contents_[read.offset], read.out.size()), 0);
  }

  TempDir directory_;
  std::string contents_;
  os::File file_;
  std::unique_ptr<AsyncReader> reader_;
  std::vector<TrackedRead> reads_;
};

}  // namespace wpack::testing
