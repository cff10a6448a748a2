// The same loads by every engine of this host, with each of their operations failing in turn.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <string>

#include "load/engine_cases.h"
#include "load/test_container.h"
#include "support/faulty_reader.h"

namespace wpack::testing {
namespace {

struct FaultCase {
  const char* name;
  std::optional<std::uint64_t> Faults::*at;
  std::optional<ErrorCode> code;  // nothing: the load succeeds all the same
  const char* message = "";
};

class EngineFaultTest : public ::testing::TestWithParam<std::tuple<EngineCase, FaultCase>> {
 protected:
  EngineFaultTest() {
    builder_.layer("a").tensor("a.large", pattern_bytes(9 << 20, 1));
    builder_.tensor("a.small", pattern_bytes(1000, 2));
    builder_.new_shard().layer("b").tensor("b.large", pattern_bytes((3 << 20) + 17, 3));
    path_ = builder_.build(directory_.path() / "m.wpack");
  }

  [[nodiscard]] Result<Container> open(const EngineCase& engine, const Faults& faults) const {
    prepare(path_, engine);
    load::Engines engines = engines_of(engine);
    engines.make_reader =
        [faults](const ReadChoice& choice) -> Result<std::unique_ptr<AsyncReader>> {
      WPACK_ASSIGN(auto reader, make_engine(choice));
      return std::unique_ptr<AsyncReader>(
          std::make_unique<FaultyReader>(std::move(reader), faults));
    };
    const OpenOptions options{.access = AccessMode::kRead, .readahead_layers = 0};
    return load::open_container(path_, options, std::move(engines));
  }

  // Expects the right bytes, or the failure that was provoked and the right bytes the second time.
  // Returns whether nothing failed.
  template <typename Load>
  bool succeeds(const FaultCase& fault, const Load& load) {
    const Status first = load();
    if (first) return true;
    EXPECT_TRUE(fault.code.has_value()) << first.error().message();
    EXPECT_THAT(first, Fails(fault.code.value_or(ErrorCode::kInternal), fault.message));
    EXPECT_THAT(load(), IsOk());
    return false;
  }

  void expect_bytes(const std::string& name, Bytes bytes, std::size_t begin) const {
    const std::vector<std::byte>& expected = builder_.oracle().at(name);
    ASSERT_LE(begin + bytes.size(), expected.size());
    EXPECT_EQ(std::memcmp(bytes.data(), expected.data() + begin, bytes.size()), 0) << name;
  }

  [[nodiscard]] Status load_layer(const Container& container, std::uint32_t id) const {
    const Layer layer = container.layer(id);
    WPACK_ASSIGN(const LayerView view, layer.acquire());
    for (const Tensor& tensor : view.tensors())
      expect_bytes(std::string(tensor.name()), tensor.bytes(), 0);
    layer.release();
    return {};
  }
  [[nodiscard]] Status load_slice(const Container& container) const {
    constexpr std::uint64_t kBegin = 1'000'001;
    WPACK_ASSIGN(const TensorSlice slice, container.slice("a.large", 0, kBegin, 8'000'000));
    expect_bytes("a.large", slice.bytes(), kBegin);
    return {};
  }

  TempDir directory_;
  ContainerBuilder builder_;
  std::string path_;
};

TEST_P(EngineFaultTest, EndsInAnErrorOrTheRightBytesAtEveryOperation) {
  const auto& [engine, fault] = GetParam();
  bool clean = false;
  for (std::uint64_t n = 0; !clean || n < 4; ++n) {
    ASSERT_LT(n, 100U) << "a pass without a fault comes at last";
    Faults faults{.hold_back = n % 3, .seed = static_cast<std::uint32_t>(n)};
    faults.*fault.at = n;
    ASSERT_OK_AND_ASSIGN(const Container container, open(engine, faults));
    if (const std::string reason = obstacle(container, engine); !reason.empty())
      GTEST_SKIP() << reason;
    clean = true;
    for (std::uint32_t id = 0; id < container.layer_count(); ++id)
      clean &= succeeds(fault, [&] { return load_layer(container, id); });
    clean &= succeeds(fault, [&] { return load_slice(container); });
    if (HasFailure()) return;
    if (n == 0) {
      EXPECT_EQ(clean, !fault.code.has_value()) << "nothing went wrong";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Engines, EngineFaultTest,
    ::testing::Combine(
        ::testing::ValuesIn(kEngineCases),
        ::testing::Values(
            FaultCase{"ReadFails", &Faults::io_error_at, ErrorCode::kIo, ".wps: read of"},
            FaultCase{"ReadIsShort", &Faults::short_read_at, ErrorCode::kIo, ".wps: file ends at"},
            FaultCase{"BitIsWrong", &Faults::wrong_byte_at, ErrorCode::kIntegrity, ".wps: "},
            FaultCase{"SubmissionFails", &Faults::failed_submit_at, ErrorCode::kLimit,
                      "submission of reads failed"},
            FaultCase{"SubmissionStopsHalfWay", &Faults::half_submit_at, std::nullopt})),
    [](const auto& test) {
      return std::string(std::get<0>(test.param).name) + std::get<1>(test.param).name;
    });

}  // namespace
}  // namespace wpack::testing
