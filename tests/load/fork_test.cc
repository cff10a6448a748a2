// fork(): what a child may do with handles of its parent.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <functional>
#include <optional>

#include "load/test_container.h"
#include "wpack/explain.h"
#include "wpack/transfer.h"

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
         result.error().message().find("m.wpack: opened before fork()") != std::string::npos;
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

TEST_P(ForkTest, RefusesSlicesAndTheirPlansInTheChild) {
  EXPECT_TRUE(succeeds_in_child([&] {
    const SliceRequest request{.tensor = tensor_->info().id};
    return is_refused(container_->slice("layers.0.up", 0, 1, 2)) &&
           is_refused(container_->slices({&request, 1})) &&
           is_refused(container_->plan_slices({&request, 1})) &&
           is_refused(container_->plan_reads({&request, 1})) && is_refused(explain(*container_));
  }));
}

TEST_P(ForkTest, RefusesTransfersInTheChild) {
  const auto device = make_host_device();
  const auto ring = make_staging_ring(device).value();
  const DeviceBuffer room = device->allocate(tensor_->info().nbytes).value();
  const TensorDestination to{tensor_->info().id, room.range()};
  std::vector<std::byte> out(tensor_->info().nbytes);
  EXPECT_TRUE(succeeds_in_child([&] {
    return is_refused(read_tensor(*container_, to.tensor, out)) &&
           is_refused(copy_to_device(*container_, {&to, 1}, *ring)) &&
           is_refused(load_layer(*container_, 1, *ring));
  }));
  EXPECT_THAT(copy_to_device(*container_, {&to, 1}, *ring), IsOk());
}

TEST_P(ForkTest, TellsTheChildWhatTheIndexSaysAndCountsNothing) {
  EXPECT_TRUE(succeeds_in_child([&] {
    const AccessStats stats = container_->stats();
    return stats.layer_misses == 0 && container_->info().tensor_count > 0 &&
           container_->find("layers.0.up") && container_->use_order().layers.size() == 1;
  }));
  EXPECT_EQ(container_->stats().layer_misses, 1U);
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
