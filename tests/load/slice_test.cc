// Slices: their bytes, what is read for them, and what goes wrong on the way.
#include <gtest/gtest.h>

#include <chrono>
#include <random>
#include <stop_token>

#include "load/test_container.h"
#include "support/faulty_reader.h"
#include "support/recording_reader.h"
#include "support/slice_reference.h"
#include "wpack/explain.h"

namespace wpack::testing {
namespace {

using Dims = std::vector<std::uint64_t>;

// Matrices of several chunks and small tensors, in two layers; "tied" is "rows" again.
class Matrices {
 public:
  Matrices() {
    builder_.layer("a");
    add("rows", DType::kBF16, {512, 1000});
    add("norm", DType::kF32, {300});
    add("deep", DType::kF32, {3, 64, 5, 7});
    add("nibbles", DType::kF4, {64, 128});
    add("empty", DType::kF32, {4, 0, 3});
    builder_.layer("b");
    add("wide", DType::kU8, {20, 60'000});
    add("lone", DType::kF64, {1, 1, 700, 30});
    builder_.layer("c").view("tied", "rows", 0, 512 * 2000).shaped(DType::kBF16, {512, 1000});
    shapes_["tied"] = {512, 1000};
    dtypes_["tied"] = DType::kBF16;
  }

  [[nodiscard]] std::string build(const TempDir& directory) {
    return builder_.build(directory.path() / "m.wpack");
  }
  [[nodiscard]] std::vector<std::byte> expected(const std::string& name,
                                                const TensorPart& part) const {
    return reference_slice(builder_.oracle().at(name), dtypes_.at(name), shapes_.at(name), part);
  }
  [[nodiscard]] const std::map<std::string, Dims>& shapes() const { return shapes_; }
  [[nodiscard]] const ContainerBuilder& builder() const { return builder_; }

 private:
  void add(const std::string& name, DType dtype, Dims shape) {
    builder_.tensor(name, pattern_bytes(tensor_nbytes(dtype, shape).value(), shapes_.size() + 1))
        .shaped(dtype, shape);
    shapes_[name] = std::move(shape);
    dtypes_[name] = dtype;
  }
  ContainerBuilder builder_;
  std::map<std::string, Dims> shapes_;
  std::map<std::string, DType> dtypes_;
};

::testing::AssertionResult equals(const TensorSlice& slice, const std::vector<std::byte>& bytes) {
  if (std::ranges::equal(slice.bytes(), bytes)) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << "other bytes in a slice of " << slice.info().name << ": "
                                       << slice.bytes().size() << " bytes for " << bytes.size();
}

struct Way {
  AccessMode access;
  std::optional<VerifyPolicy> verify;
};

class SliceTest : public ::testing::TestWithParam<Way> {
 protected:
  [[nodiscard]] Container open() const {
    return open_with(path_, {.verify = GetParam().verify, .access = GetParam().access}).value();
  }
  [[nodiscard]] bool mapped() const { return GetParam().access != AccessMode::kRead; }
  [[nodiscard]] bool verified() const {
    return GetParam().verify ? *GetParam().verify != VerifyPolicy::kIndex : !mapped();
  }

  TempDir directory_;
  Matrices matrices_;
  std::string path_ = matrices_.build(directory_);
};

INSTANTIATE_TEST_SUITE_P(Ways, SliceTest,
                         ::testing::Values(Way{AccessMode::kMap, std::nullopt},
                                           Way{AccessMode::kMap, VerifyPolicy::kTouch},
                                           Way{AccessMode::kRead, VerifyPolicy::kIndex},
                                           Way{AccessMode::kRead, VerifyPolicy::kTouch},
                                           Way{AccessMode::kAuto, VerifyPolicy::kFull}));

TEST_P(SliceTest, ReturnsTheBytesOfAnyPartOfAnyTensor) {
  const Container container = open();
  std::mt19937 random(3);
  for (const auto& [name, shape] : matrices_.shapes()) {
    if (name == "nibbles") continue;  // its elements are no whole bytes
    const std::uint32_t id = container.find(name).value().id;
    for (std::uint32_t dim = 0; dim < shape.size(); ++dim) {
      for (int i = 0; i < 12; ++i) {
        const SliceRequest request{.tensor = id, .part = random_part(random, shape, dim)};
        ASSERT_OK_AND_ASSIGN(const auto slices, container.slices({&request, 1}));
        ASSERT_EQ(slices.size(), 1U);
        EXPECT_TRUE(equals(slices[0], matrices_.expected(name, request.part)));
        EXPECT_EQ(tensor_nbytes(slices[0].info().dtype, slices[0].shape()),
                  slices[0].bytes().size());
        EXPECT_EQ(slices[0].info().name, name);
      }
    }
  }
}

TEST_P(SliceTest, ReturnsSlicesThatAreNamedOneByOne) {
  const Container container = open();
  ASSERT_OK_AND_ASSIGN(const TensorSlice rows, container.slice("rows", 0, 3, 200));
  EXPECT_TRUE(equals(rows, matrices_.expected("rows", {.dim = 0, .ranges = {{3, 200}}})));
  EXPECT_TRUE(std::ranges::equal(rows.shape(), Dims{197, 1000}));
  const std::uint32_t id = container.find("rows").value().id;
  ASSERT_OK_AND_ASSIGN(const TensorSlice columns, container.slice(id, 1, 900, 1000));
  EXPECT_TRUE(equals(columns, matrices_.expected("rows", {.dim = 1, .ranges = {{900, 1000}}})));
  ASSERT_OK_AND_ASSIGN(const TensorSlice nibbles, container.slice("nibbles", 1, 64, 96));
  EXPECT_EQ(nibbles.bytes().size(), 64U * 16);
  EXPECT_EQ(nibbles.bytes()[16], matrices_.builder().oracle().at("nibbles")[64 + 32]);
}

TEST_P(SliceTest, ViewsTheMappingWhereASliceIsOneRun) {
  const Container container = open();
  ASSERT_OK_AND_ASSIGN(const TensorSlice rows, container.slice("rows", 0, 3, 200));
  EXPECT_EQ(rows.mapped(), mapped());
  ASSERT_OK_AND_ASSIGN(const TensorSlice lone, container.slice("lone", 2, 3, 200));
  EXPECT_EQ(lone.mapped(), mapped());
  ASSERT_OK_AND_ASSIGN(const TensorSlice columns, container.slice("rows", 1, 3, 200));
  EXPECT_FALSE(columns.mapped());
  if (!mapped()) return;
  ASSERT_OK_AND_ASSIGN(const Tensor whole, container.tensor("rows"));
  EXPECT_EQ(rows.bytes().data(), whole.bytes().data() + 6000);
}

TEST_P(SliceTest, HasNoBytesWhereAPartIsEmpty) {
  const Container container = open();
  for (const auto& [name, dim, begin, end] :
       {std::tuple{"rows", 0U, 7U, 7U}, {"rows", 1U, 1000U, 1000U}, {"empty", 0U, 1U, 3U}}) {
    ASSERT_OK_AND_ASSIGN(const TensorSlice none, container.slice(name, dim, begin, end));
    EXPECT_TRUE(none.bytes().empty());
    EXPECT_EQ(none.shape()[dim], end - begin);
  }
  EXPECT_EQ(container.stats().read_bytes, 0U);
}

TEST_P(SliceTest, ReadsWhatItsPlanSays) {
  std::mt19937 random(11);
  for (int round = 0; round < 30; ++round) {
    const Container container = open();
    std::vector<SliceRequest> requests;
    for (const auto& [name, shape] : matrices_.shapes()) {
      if (name == "nibbles" || random() % 2 == 0) continue;
      SliceRequest request{.tensor = container.find(name).value().id};
      if (random() % 4 != 0) {
        const auto dim = static_cast<std::uint32_t>(random() % shape.size());
        request.part = random_part(random, shape, dim);
      }
      requests.push_back(std::move(request));
    }
    ASSERT_OK_AND_ASSIGN(const ReadCost cost, container.plan_slices(requests));
    EXPECT_EQ(container.stats().read_bytes, 0U);
    ASSERT_OK_AND_ASSIGN(const auto slices, container.slices(requests));
    std::uint64_t needed = 0;
    for (std::size_t i = 0; i < slices.size(); ++i) {
      EXPECT_TRUE(equals(slices[i],
                         matrices_.expected(std::string(slices[i].info().name), requests[i].part)));
      needed += slices[i].bytes().size();
    }
    EXPECT_LE(cost.needed_bytes, needed);
    if (!mapped()) {
      EXPECT_EQ(container.stats().read_bytes, cost.read_bytes);
    }
  }
}

TEST_P(SliceTest, FillsAllSlicesOfTheSameBytes) {
  const Container container = open();
  const std::uint32_t rows = container.find("rows").value().id;
  const std::uint32_t tied = container.find("tied").value().id;
  const std::vector<SliceRequest> requests = {
      {.tensor = rows}, {.tensor = tied}, {.tensor = tied, .part = {.dim = 0, .ranges = {{1, 9}}}}};
  ASSERT_OK_AND_ASSIGN(const auto slices, container.slices(requests));
  for (std::size_t i = 0; i < requests.size(); ++i)
    EXPECT_TRUE(equals(slices[i], matrices_.expected("rows", requests[i].part)));
}

TEST_P(SliceTest, ReadsLittleMoreThanItNeeds) {
  const Container container = open();
  const SliceRequest columns{.tensor = container.find("wide").value().id,
                             .part = {.dim = 1, .ranges = {{30'000, 31'000}}}};
  ASSERT_OK_AND_ASSIGN(const ReadCost cost, container.plan_slices({&columns, 1}));
  EXPECT_EQ(cost.needed_bytes, 20'000U);
  // Two pages a row; or every chunk of 64 KiB, each of which holds some.
  if (verified()) {
    EXPECT_LE(cost.read_bytes, 1'200'000U + 2 * 4096);
  } else {
    EXPECT_LE(cost.read_bytes, 20U * 2 * 4096);
    EXPECT_EQ(cost.read_count, 20U);
  }
}

TEST_P(SliceTest, VerifiesByPolicy) {
  const Container container = open();
  const std::uint64_t at_open = container.stats().verified_bytes;
  ASSERT_THAT(container.slice("rows", 0, 32, 33), IsOk());
  const bool touch = GetParam().verify != VerifyPolicy::kFull && verified();
  EXPECT_EQ(container.stats().verified_bytes - at_open, touch ? 65'536 * 2U : 0U);
  ASSERT_THAT(container.slice("rows", 1, 0, 1), IsOk());
  const std::uint64_t rest = mapped() ? 1'024'000U : 1'024'000U + 2 * 65'536U;
  EXPECT_EQ(container.stats().verified_bytes - at_open, touch ? rest : 0U);
}

TEST_P(SliceTest, NeverHandsOutDamagedBytesThatAreChecked) {
  {
    const Container container = open();
    flip_byte(path_ + "/00000.wps", container.find("wide").value().offset + 5 * 65'536 + 17);
  }
  if (GetParam().verify == VerifyPolicy::kFull) return;  // such a container does not open
  const Container container = open();
  for (int attempt = 0; attempt < 2; ++attempt) {
    // The byte itself is in no slice but the first, its chunk is in all of them.
    const auto rows = container.slice("wide", 0, 5, 6);
    const auto columns = container.slice("wide", 1, 0, 10);
    if (verified()) {
      EXPECT_THAT(rows, Fails(ErrorCode::kIntegrity, "tensor 'wide' is damaged: the checksum of"));
      EXPECT_THAT(columns, Fails(ErrorCode::kIntegrity, "m.wpack/00000.wps: tensor 'wide'"));
    } else {
      EXPECT_THAT(rows, IsOk());
      EXPECT_THAT(columns, IsOk());
    }
    EXPECT_THAT(container.slice("wide", 0, 8, 20), IsOk());
  }
}

TEST_P(SliceTest, KeepsBytesAndShapesAfterEverythingElseIsGone) {
  std::optional<TensorSlice> rows;
  std::optional<TensorSlice> columns;
  {
    const Container container = open();
    rows = container.slice("rows", 0, 3, 200).value();
    const TensorSlice once = container.slice("rows", 1, 3, 200).value();
    columns = once;
  }
  EXPECT_TRUE(equals(*rows, matrices_.expected("rows", {.dim = 0, .ranges = {{3, 200}}})));
  EXPECT_TRUE(equals(*columns, matrices_.expected("rows", {.dim = 1, .ranges = {{3, 200}}})));
  EXPECT_TRUE(std::ranges::equal(columns->shape(), Dims{512, 197}));
}

TEST_P(SliceTest, NamesWhatItRefuses) {
  const auto invalid = ErrorCode::kInvalidArgument;
  const Container container = open();
  EXPECT_THAT(container.slice("none\n", 0, 0, 1),
              Fails(ErrorCode::kNotFound, "m.wpack: has no tensor 'none\\x0a'"));
  EXPECT_THAT(container.slice(1000, 0, 0, 1), Fails(ErrorCode::kNotFound, "has no tensor '1000'"));
  EXPECT_THAT(container.slice("rows", 2, 0, 1),
              Fails(invalid, "m.wpack: tensor 'rows': dimension 2 does not exist: there are 2"));
  EXPECT_THAT(container.slice("rows", 0, 0, 513),
              Fails(invalid, "range [0, 513) does not lie in the 512 elements of dimension 0"));
  EXPECT_THAT(container.slice("rows", 0, 5, 4), Fails(invalid, "range [5, 4)"));
  EXPECT_THAT(container.slice("nibbles", 1, 1, 4),
              Fails(invalid,
                    "tensor 'nibbles': range [1, 4) of dimension 1 does not begin and end "
                    "at a byte: elements have 4 bits"));
  const std::vector<SliceRequest> requests = {{.tensor = 0}, {.tensor = 1'000}};
  EXPECT_THAT(container.slices(requests), Fails(ErrorCode::kNotFound, "'1000'"));
  EXPECT_THAT(container.plan_slices(requests), Fails(ErrorCode::kNotFound, "'1000'"));
}

TEST(SliceUnknownTest, RefusesElementTypesOfNewerVersions) {
  const TempDir directory;
  ContainerBuilder builder;
  builder.layer("a").tensor("a", pattern_bytes(100, 1));
  builder.row_of("a").dtype = 999;
  ASSERT_OK_AND_ASSIGN(const Container container,
                       open_with(builder.build(directory.path() / "m.wpack"), {}));
  EXPECT_THAT(container.slice("a", 0, 0, 1),
              Fails(ErrorCode::kBadInput, "tensor 'a' has element type 999"));
}

// Reading through readers that fail, and pools that are small.
class FaultySliceTest : public ::testing::Test {
 protected:
  [[nodiscard]] Container open(const Faults& faults, VerifyPolicy verify = VerifyPolicy::kTouch,
                               std::uint64_t budget = std::uint64_t{1} << 40) {
    load::Engines engines = test_engines(budget);
    engines.make_reader = [faults](const ReadChoice&) -> Result<std::unique_ptr<AsyncReader>> {
      WPACK_ASSIGN(auto reader, make_pread_reader(2));
      return std::unique_ptr<AsyncReader>(
          std::make_unique<FaultyReader>(std::move(reader), faults));
    };
    return load::open_container(path_, {.verify = verify, .access = AccessMode::kRead}, engines)
        .value();
  }
  FaultySliceTest() {
    builder_.layer("a")
        .tensor("w", pattern_bytes(12 << 20, 1))
        .shaped(DType::kF32, {3 << 10, 1 << 10});
    path_ = builder_.build(directory_.path() / "m.wpack");
  }
  void expect_sound(const Container& container) {
    for (std::uint32_t dim : {0U, 1U}) {
      const TensorPart part{.dim = dim, .ranges = {{3, 1000}}};
      ASSERT_OK_AND_ASSIGN(const TensorSlice slice, container.slice("w", dim, 3, 1000));
      EXPECT_TRUE(equals(slice, reference_slice(builder_.oracle().at("w"), DType::kF32,
                                                {3 << 10, 1 << 10}, part)));
    }
  }

  TempDir directory_;
  ContainerBuilder builder_;
  std::string path_;
};

TEST_F(FaultySliceTest, ReportsAReadErrorWithFileAndOffsetAndRecovers) {
  const Container container = open({.io_error_at = 2});
  EXPECT_THAT(container.slice("w", 1, 0, 512),
              Fails(ErrorCode::kIo, "m.wpack/00000.wps: read of 2097152 bytes at offset 4198400"));
  expect_sound(container);
}

TEST_F(FaultySliceTest, NeverHandsOutAShortRead) {
  for (const VerifyPolicy verify : {VerifyPolicy::kIndex, VerifyPolicy::kTouch}) {
    for (const std::uint32_t dim : {0U, 1U}) {
      const Container container = open({.short_read_at = 1}, verify);
      EXPECT_THAT(container.slice("w", dim, 3, 1000),
                  Fails(ErrorCode::kIo, "00000.wps: file ends at offset"));
      expect_sound(container);
    }
  }
}

TEST_F(FaultySliceTest, ReadsCorrectlyWhenCompletionsComeLateAndInAnyOrder) {
  for (std::uint32_t seed = 0; seed < 4; ++seed) expect_sound(open({.hold_back = 3, .seed = seed}));
}

TEST_F(FaultySliceTest, KeepsToTheMemoryOfThePool) {
  // The slice takes 4 MB, and what is read for it 12 MiB, of which some is there at a time.
  const Container enough = open({}, VerifyPolicy::kTouch, 24 << 20);
  for (int i = 0; i < 3; ++i) ASSERT_THAT(enough.slice("w", 1, 0, 300), IsOk());
  expect_sound(enough);
  const Container little = open({}, VerifyPolicy::kTouch, 1 << 20);
  EXPECT_THAT(little.slice("w", 1, 0, 300),
              Fails(ErrorCode::kLimit, "m.wpack: slice of tensor 'w': 3751936 bytes are over the"));
  ASSERT_THAT(little.slice("w", 1, 0, 1), IsOk());
}

// The policy fits both into a budget; the memory of these engines has none.
TEST_F(FaultySliceTest, ReadsInTheBlocksAndTheDepthThatWereChosenForTheShard) {
  for (const std::uint64_t budget : {64ULL << 20, 5ULL << 20, 1ULL << 20, 512ULL << 10}) {
    const auto recorded = std::make_shared<RecordedReads>();
    load::Engines engines = test_engines();
    engines.make_reader =
        [recorded](const ReadChoice& choice) -> Result<std::unique_ptr<AsyncReader>> {
      WPACK_ASSIGN(auto reader, make_pread_reader(2, choice.direct));
      ReadLimits limits = reader->limits();
      limits.max_in_flight = 100;
      return std::make_unique<RecordingReader>(std::move(reader), limits, recorded);
    };
    ASSERT_OK_AND_ASSIGN(const Container container,
                         load::open_container(path_, {.memory_budget = budget}, engines));
    expect_sound(container);
    ASSERT_OK_AND_ASSIGN(const Explanation explanation, explain(container));
    const ReadChoice& choice = explanation.shards.front().choice;
    std::uint64_t largest = 0;
    for (const MutableBytes place : recorded->places) largest = std::max(largest, place.size());
    EXPECT_EQ(largest, std::min<std::uint64_t>(choice.block_size, 2 << 20)) << budget;
    EXPECT_EQ(recorded->most_in_flight, choice.depth) << budget;
  }
}

TEST_F(FaultySliceTest, FailsWhenTheDeadlineHasPassedOrTheCallerStops) {
  const AcquireOptions late{.deadline = std::chrono::steady_clock::now()};
  std::stop_source stopped;
  stopped.request_stop();
  const AcquireOptions stop{.stop = stopped.get_token()};
  for (const AccessMode access : {AccessMode::kRead, AccessMode::kMap}) {
    ASSERT_OK_AND_ASSIGN(const Container container, open_with(path_, {.access = access}));
    for (const std::uint32_t dim : {0U, 1U}) {
      EXPECT_THAT(container.slice("w", dim, 3, 1000, late),
                  Fails(ErrorCode::kDeadline, "m.wpack: slice of tensor 'w': the deadline passed"));
      EXPECT_THAT(container.slice("w", dim, 3, 1000, stop),
                  Fails(ErrorCode::kCancelled, "cancelled"));
    }
    EXPECT_EQ(container.stats().reads_in_flight, 0U);
    expect_sound(container);
  }
}

TEST_F(FaultySliceTest, ReportsAReaderThatCannotBeMade) {
  load::Engines engines = test_engines();
  engines.make_reader = [](const ReadChoice&) -> Result<std::unique_ptr<AsyncReader>> {
    return Error(ErrorCode::kLimit, "no threads left");
  };
  ASSERT_OK_AND_ASSIGN(const Container container,
                       load::open_container(path_, {.access = AccessMode::kRead}, engines));
  EXPECT_THAT(container.slice("w", 0, 0, 1), Fails(ErrorCode::kLimit, "no threads left"));
}

}  // namespace
}  // namespace wpack::testing
