// fork(): what a child may do with handles of its parent.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <optional>

#include "load/test_container.h"

namespace wpack::testing {
namespace {

// Runs `child` in a forked process; true if it returned true there.
bool succeeds_in_child(const std::function<bool()>& child) {
  const pid_t process = ::fork();
  if (process == 0) {
    ::alarm(60);  // a child that hangs must not outlive the test
    ::_exit(child() ? 0 : 1);
  }
  int status = 0;
  ::waitpid(process, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

template <typename Value>
bool is_refused(const Result<Value>& result) {
  return !result && result.error().code() == ErrorCode::kInvalidArgument &&
         result.error().message().find("opened before fork()") != std::string::npos;
}

class ForkTest : public ::testing::TestWithParam<AccessMode> {
 protected:
  void SetUp() override {
    const OpenOptions options{.access = GetParam(), .readahead_layers = 2};
    container_ = open_with(path_, options).value();
    view_ = container_->layer(1).acquire().value();
    tensor_ = view_->tensors()[1];
  }

  TempDir directory_;
  ContainerBuilder builder_ = sample_builder();
  std::string path_ = builder_.build(directory_.path() / "m.wpack");
  std::optional<Container> container_;
  std::optional<LayerView> view_;
  std::optional<Tensor> tensor_;
};

INSTANTIATE_TEST_SUITE_P(Access, ForkTest, kAccessModes, access_name);

TEST_P(ForkTest, LeavesTheChildTheBytesThatTheParentHeld) {
  EXPECT_TRUE(succeeds_in_child(
      [&] { return static_cast<bool>(holds(*tensor_, builder_.oracle().at("layers.0.up"))); }));
}

TEST_P(ForkTest, RefusesToLoadInTheChild) {
  EXPECT_TRUE(succeeds_in_child([&] {
    container_->layer(0).release();
    return is_refused(container_->layer(0).acquire()) &&
           is_refused(container_->layer(0).prefetch()) &&
           is_refused(container_->tensor("layers.1.up")) &&
           is_refused(container_->attachment("config.json"));
  }));
}

TEST_P(ForkTest, LetsTheChildDestroyEveryHandle) {
  EXPECT_TRUE(succeeds_in_child([&] {
    container_.reset();
    view_.reset();
    const bool right = static_cast<bool>(holds(*tensor_, builder_.oracle().at("layers.0.up")));
    tensor_.reset();
    return right;
  }));
}

TEST_P(ForkTest, LetsTheChildOpenTheContainerAgain) {
  EXPECT_TRUE(succeeds_in_child([&] {
    const auto again = open_with(path_, {.access = GetParam()});
    const auto layer = again->layer(2).acquire();
    return layer && holds(layer->tensors()[1], builder_.oracle().at("layers.1.up"));
  }));
}

TEST_P(ForkTest, LeavesTheParentAsItWas) {
  ASSERT_TRUE(succeeds_in_child([&] {
    container_.reset();
    view_.reset();
    tensor_.reset();
    return true;
  }));
  expect_oracle(*container_, builder_);
}

}  // namespace
}  // namespace wpack::testing
