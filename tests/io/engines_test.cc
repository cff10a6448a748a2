// Every engine keeps the contract of AsyncReader, and is made as its header says.
#include "io/engines.h"

#include <gtest/gtest.h>

namespace wpack::testing {
namespace {

INSTANTIATE_TEST_SUITE_P(Engines, AsyncReaderConformanceTest, ::testing::ValuesIn(kEngines),
                         ::testing::PrintToStringParamName());
INSTANTIATE_TEST_SUITE_P(
    Narrowest, AsyncReaderConformanceTest,
    ::testing::Values(
        AsyncReaderCase{"pread", [](const auto& direct) { return make_pread_reader(1, direct); }},
        AsyncReaderCase{"libaio", [](const auto& direct) { return make_libaio_reader(1, *direct); },
                        true},
        AsyncReaderCase{"io_uring",
                        [](const auto& direct) { return make_io_uring_reader(1, direct); }}),
    ::testing::PrintToStringParamName());

TEST(PreadReaderTest, RejectsThreadCountsOutsideItsRange) {
  EXPECT_THAT(make_pread_reader(0), Fails(ErrorCode::kInvalidArgument, "0 reading threads"));
  EXPECT_THAT(make_pread_reader(65), Fails(ErrorCode::kInvalidArgument, "1 to 64"));
}

TEST(PreadReaderTest, ReadsZeroBytesOfAnythingAtOnce) {
  ASSERT_OK_AND_ASSIGN(const auto reader, make_pread_reader(1));
  const ReadRequest nothing{.fd = -1, .offset = 7, .out = {}, .user_data = 42};
  ASSERT_OK_AND_ASSIGN(const std::size_t accepted, reader->submit({&nothing, 1}));
  ASSERT_EQ(accepted, 1U);
  ReadCompletion completion;
  ASSERT_EQ(reader->poll({&completion, 1}, 1), 1U);
  EXPECT_EQ(completion.user_data, 42U);
  EXPECT_FALSE(completion.error);
}

TEST(EngineFactoryTest, RejectsDepthsOutsideTheirRange) {
  for (const std::uint32_t depth : {0U, 4097U}) {
    EXPECT_THAT(make_libaio_reader(depth, {}),
                Fails(ErrorCode::kInvalidArgument, "reads in flight: 1 to 4096"));
    EXPECT_THAT(make_io_uring_reader(depth),
                Fails(ErrorCode::kInvalidArgument, "reads in flight: 1 to 4096"));
  }
}

TEST(EngineFactoryTest, RejectsAlignmentsThatAreNoPowersOfTwo) {
  for (const std::uint64_t wrong : {0U, 3U, 4095U, 1U << 21U}) {
    const std::string part = "an alignment of " + std::to_string(wrong) + " bytes";
    for (const DirectAlignment direct :
         {DirectAlignment{.offset = wrong}, DirectAlignment{.memory = wrong}}) {
      EXPECT_THAT(make_pread_reader(1, direct), Fails(ErrorCode::kInvalidArgument, part));
      EXPECT_THAT(make_libaio_reader(1, direct), Fails(ErrorCode::kInvalidArgument, part));
      EXPECT_THAT(make_io_uring_reader(1, direct), Fails(ErrorCode::kInvalidArgument, part));
    }
  }
}

TEST(EngineFactoryTest, SaysWhatAnEngineAsksOfItsRequests) {
  ASSERT_OK_AND_ASSIGN(const auto buffered, make_pread_reader(2));
  EXPECT_EQ(buffered->name(), "pread");
  EXPECT_EQ(buffered->limits().max_in_flight, 8U);
  EXPECT_EQ(buffered->limits().offset_alignment, 1U);
  ASSERT_OK_AND_ASSIGN(const auto direct, make_pread_reader(1, {{.offset = 512, .memory = 8}}));
  EXPECT_EQ(direct->limits().offset_alignment, 512U);
  EXPECT_EQ(direct->limits().size_alignment, 512U);
  EXPECT_EQ(direct->limits().memory_alignment, 8U);
}

TEST(ProbeEnginesTest, NamesEveryEngineOnceInTheOrderOfPreference) {
  const std::vector<EngineProbe> probes = probe_engines();
  ASSERT_EQ(probes.size(), 3U);
  EXPECT_EQ(probes[0].name, "io_uring");
  EXPECT_EQ(probes[1].name, "libaio");
  EXPECT_EQ(probes[2].name, "pread");
  EXPECT_FALSE(probes[2].refused);
  for (const EngineProbe& probe : probes) {
    if (probe.refused) {
      EXPECT_THAT(probe.refused->message(), ::testing::StartsWith(std::string(probe.name)));
    }
  }
}

}  // namespace
}  // namespace wpack::testing
