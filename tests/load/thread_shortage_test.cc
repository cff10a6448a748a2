// A host that starts no more threads: what can be done without them is, the rest says so.
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <functional>
#include <string>

#include "load/engine_cases.h"
#include "load/test_container.h"
#include "support/child_process.h"
#include "support/system_call_filter.h"
#include "wpack/transfer.h"

namespace wpack::testing {
namespace {

class ThreadShortageTest : public ::testing::Test {
 protected:
  ThreadShortageTest() {
    // So large that threads would fault its memory in, or bring it in.
    builder_.layer("a").tensor("a", pattern_bytes(9 << 20, 1)).shaped(DType::kU8, {9, 1 << 20});
    builder_.layer("b").tensor("b", pattern_bytes(1000, 2));
    path_ = builder_.build(directory_.path() / "m.wpack");
  }

  // Opens the container in a child process, and from then on no thread starts there.
  std::string in_child(const EngineCase& engine, const OpenOptions& options,
                       const std::function<std::string(const Container&)>& body) {
    return run_in_child([&]() -> std::string {
      ::alarm(60);  // a child that hangs must not outlive the test
      prepare(path_, engine);
      const auto container = load::open_container(path_, options, engines_of(engine));
      if (!container) return container.error().message();
      if (options.access == AccessMode::kRead) {
        if (const std::string reason = obstacle(*container, engine); !reason.empty())
          return "skipped: " + reason;
      }
      block_system_calls({SYS_clone, SYS_clone3}, EAGAIN);
      return body(*container);
    });
  }

  // What loads in the foreground, a call a line: "ok", or the error.
  [[nodiscard]] std::string load_all(const Container& container) const {
    std::string text;
    const auto add = [&](const Status& status) {
      text += status ? "ok\n"
                     : std::string(to_string(status.error().code())) + ": " +
                           status.error().message() + "\n";
    };
    add(acquire(container));
    const auto columns = container.slice("a", 1, 5, 1 << 19);
    add(columns ? Status() : Status(columns.error()));
    const auto tensor = container.tensor("b");
    add(tensor ? Status() : Status(tensor.error()));
    return text;
  }
  [[nodiscard]] Status acquire(const Container& container) const {
    const Layer layer = container.layer(0);
    WPACK_ASSIGN(const LayerView view, layer.acquire());
    if (holds(view.tensors()[0], builder_.oracle().at("a"))) return {};
    return Error(ErrorCode::kInternal, "other bytes");
  }

  TempDir directory_;
  ContainerBuilder builder_;
  std::string path_;
};

TEST_F(ThreadShortageTest, MapsWithoutThem) {
  make_cold(path_);
  EXPECT_EQ(in_child(kEngineCases[0], {.access = AccessMode::kMap, .readahead_layers = 1},
                     [&](const Container& container) { return load_all(container); }),
            "ok\nok\nok\n");
}

TEST_F(ThreadShortageTest, ReadsWithoutThemWhereTheKernelReads) {
  for (const EngineCase& engine : {kEngineCases[2], kEngineCases[3]}) {
    const std::string said =
        in_child(engine, {.access = AccessMode::kRead, .readahead_layers = 1},
                 [&](const Container& container) { return load_all(container); });
    if (said.starts_with("skipped: ")) GTEST_SKIP() << said;
    EXPECT_EQ(said, "ok\nok\nok\n") << engine.name;
  }
}

TEST_F(ThreadShortageTest, SaysThatThereIsNoneToReadWith) {
  const auto none = [&](const std::string& what) {
    return "limit: " + path_ + ": " + what +
           ": start of a thread failed: Resource temporarily unavailable\n";
  };
  EXPECT_EQ(in_child(kEngineCases[0], {.access = AccessMode::kRead, .readahead_layers = 1},
                     [&](const Container& container) { return load_all(container); }),
            none("layer 'a'") + none("slice of tensor 'a'") + none("tensor 'b'"));
}

TEST_F(ThreadShortageTest, SaysThatNothingCanBePrefetched) {
  for (const AccessMode access : {AccessMode::kMap, AccessMode::kRead}) {
    EXPECT_EQ(in_child(kEngineCases[0], {.access = access},
                       [&](const Container& container) -> std::string {
                         const Status status = container.layer(1).prefetch();
                         if (status || status.error().code() != ErrorCode::kLimit) return "other";
                         return status.error().message();
                       }),
              path_ + ": layer 'b': start of a thread failed: Resource temporarily unavailable");
  }
}

}  // namespace
}  // namespace wpack::testing
