// What every AsyncReader promises (wpack/async_reader.h). Capabilities are data: the suite shapes
// its requests by limits(). A test of an engine says
//   INSTANTIATE_TEST_SUITE_P(Pread, AsyncReaderConformanceTest, Values(AsyncReaderCase{...}));
// and is skipped with the reason where the host refuses the engine.
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

#include "os/direct_io.h"
#include "os/file.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"
#include "wpack/async_reader.h"

namespace wpack::testing {

// `make` gets the alignment of the test's files, where the engine is to read them directly.
struct AsyncReaderCase {
  std::string name;
  std::function<Result<std::unique_ptr<AsyncReader>>(const std::optional<DirectAlignment>&)> make;
  bool direct = false;
  friend std::ostream& operator<<(std::ostream& out, const AsyncReaderCase& engine) {
    return out << engine.name;
  }
};

// A file with bytes that nobody would guess, as its engine wants it opened.
struct OpenedFile {
  std::string path;
  std::string contents;
  os::File file = {};
  std::optional<os::DirectFile> direct = std::nullopt;

  [[nodiscard]] int fd() const { return direct ? direct->fd.get() : file.fd(); }
};

// One request in the units of an engine, its memory, and whether it has completed.
struct TrackedRead {
  std::size_t file = 0;
  std::uint64_t offset = 0;
  std::vector<std::byte> memory = {};
  MutableBytes out = {};
  int completions = 0;
  std::optional<Error> error = std::nullopt;
};

class AsyncReaderConformanceTest : public ::testing::TestWithParam<AsyncReaderCase> {
 protected:
  static constexpr std::uint64_t kFileSize = 1 << 20;
  static constexpr std::uint64_t kMargin = 64;  // bytes around a read that nobody may touch
  static constexpr std::byte kUntouched{0xA5};

  void SetUp() override {
    add_file(kFileSize);
    if (IsSkipped() || HasFatalFailure()) return;
    make_reader();
  }

  void make_reader() {
    std::optional<DirectAlignment> alignment;
    if (files_[0].direct) alignment = files_[0].direct->alignment;
    auto reader = GetParam().make(alignment);
    if (!reader && reader.error().code() == ErrorCode::kUnsupportedHost)
      GTEST_SKIP() << reader.error().message();
    ASSERT_THAT(reader, IsOk());
    reader_ = *std::move(reader);
  }

  // Afterwards it is the last of files_.
  void add_file(std::uint64_t size) {
    std::string contents(size, '\0');
    for (char& byte : contents) byte = static_cast<char>((state_ = state_ * 1664525 + 1) >> 24U);
    const std::string path = directory_.write("data" + std::to_string(files_.size()), contents);
    ASSERT_OK_AND_ASSIGN(auto file, os::File::open_read(path));
    files_.push_back({path, std::move(contents), std::move(file)});
    if (!GetParam().direct) return;
    const os::File& opened = files_.back().file;
    auto direct = os::open_direct(opened.fd(), opened.label());
    if (!direct && direct.error().code() == ErrorCode::kUnsupportedHost)
      GTEST_SKIP() << direct.error().message();
    ASSERT_THAT(direct, IsOk());
    files_.back().direct = *std::move(direct);
  }

  // The smallest request that every limit allows.
  [[nodiscard]] std::uint64_t unit() const {
    const ReadLimits limits = reader_->limits();
    return std::max({limits.offset_alignment, limits.size_alignment, std::uint64_t{512}});
  }

  [[nodiscard]] TrackedRead& track(std::uint64_t offset, std::uint64_t size, std::size_t file = 0) {
    const std::uint64_t alignment = reader_->limits().memory_alignment;
    TrackedRead read{.file = file, .offset = offset};
    read.memory.assign(size + alignment + 2 * kMargin, kUntouched);
    const auto address = reinterpret_cast<std::uintptr_t>(read.memory.data()) + kMargin;
    const std::uint64_t skip = (alignment - address % alignment) % alignment;
    read.out = MutableBytes(read.memory).subspan(kMargin + skip, size);
    reads_.push_back(std::move(read));  // moving a vector keeps its memory where it is
    return reads_.back();
  }

  // `count` reads of different places and sizes, of up to `units` units.
  void track_many(std::uint64_t count, std::uint64_t units) {
    const std::uint64_t blocks = kFileSize / unit();
    for (std::uint64_t i = 0; i < count; ++i) {
      const std::uint64_t block = i * 7919 % blocks;
      (void)track(block * unit(), std::min(1 + i % units, blocks - block) * unit());
    }
  }

  [[nodiscard]] ReadRequest request(std::size_t index) {
    const TrackedRead& read = reads_[index];
    return {files_[read.file].fd(), read.offset, read.out, index};
  }

  [[nodiscard]] std::vector<ReadRequest> requests(std::size_t first = 0) {
    std::vector<ReadRequest> batch;
    for (std::size_t i = first; i < reads_.size(); ++i) batch.push_back(request(i));
    return batch;
  }

  void count(const ReadCompletion& completion) {
    ASSERT_LT(completion.user_data, reads_.size());
    ++reads_[completion.user_data].completions;
    reads_[completion.user_data].error = completion.error;
  }

  // Submits all of `batch` and polls until nothing is in flight.
  void run_all(const std::vector<ReadRequest>& batch) {
    std::size_t next = 0;
    std::size_t open = 0;
    while (next < batch.size() || open > 0) {
      auto accepted = reader_->submit(std::span(batch).subspan(next));
      ASSERT_THAT(accepted, IsOk());
      next += *accepted;
      open += *accepted;
      ASSERT_GT(open, 0U) << "an idle engine accepts at least one request";
      open -= drain(1);
    }
  }
  void run_all() { run_all(requests()); }

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
    const std::string& contents = files_[read.file].contents;
    EXPECT_EQ(std::memcmp(read.out.data(), &contents[read.offset], read.out.size()), 0)
        << "wrong bytes at offset " << read.offset;
    expect_margins(read);
  }

  void expect_all_contents() const {
    for (const TrackedRead& read : reads_) expect_contents(read);
  }

  static void expect_margins(const TrackedRead& read) {
    const std::byte* const end = read.out.data() + read.out.size();
    const auto untouched = [](std::byte byte) { return byte == kUntouched; };
    EXPECT_TRUE(
        std::all_of(read.memory.data(), static_cast<const std::byte*>(read.out.data()), untouched));
    EXPECT_TRUE(std::all_of(end, read.memory.data() + read.memory.size(), untouched));
  }

  // One error: its code, and a part of its message.
  static void expect_error(const TrackedRead& read, ErrorCode code, const std::string& part) {
    EXPECT_EQ(read.completions, 1);
    ASSERT_TRUE(read.error) << "no error, but expected: " << part;
    EXPECT_EQ(read.error->code(), code) << read.error->message();
    EXPECT_THAT(read.error->message(), ::testing::HasSubstr(part));
    expect_margins(read);
  }

  TempDir directory_;
  std::uint32_t state_ = 1;
  std::vector<OpenedFile> files_;
  std::vector<TrackedRead> reads_;  // outlives the reader, which may be writing to it
  std::unique_ptr<AsyncReader> reader_;
};

}  // namespace wpack::testing
