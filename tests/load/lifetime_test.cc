// Handles: what each keeps alive, in every order of destruction, on every thread.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <thread>
#include <utility>

#include "load/test_container.h"
#include "wpack/buffer_pool.h"

namespace wpack::testing {
namespace {

// A view of `Handle` may be taken from a name, never from a temporary.
#define WPACK_VIEW(concept_name, expression)          \
  template <typename Handle>                          \
  concept concept_name = requires(Handle && handle) { \
    std::forward<Handle>(handle).expression;          \
  }
WPACK_VIEW(GivesBytes, bytes());
WPACK_VIEW(GivesName, name());
WPACK_VIEW(GivesInfo, info());
WPACK_VIEW(GivesShape, shape());
WPACK_VIEW(GivesTensors, tensors());
WPACK_VIEW(FindsTensors, find(""));
WPACK_VIEW(DescribesTensors, tensor_info(0));
WPACK_VIEW(ListsAttachments, attachments());
WPACK_VIEW(GivesMembers, operator->());
#undef WPACK_VIEW
static_assert(GivesBytes<const Tensor&> && !GivesBytes<Tensor> && !GivesBytes<const Tensor>);
static_assert(GivesName<const Tensor&> && !GivesName<Tensor>);
static_assert(GivesInfo<const Tensor&> && !GivesInfo<Tensor>);
static_assert(GivesShape<const Tensor&> && !GivesShape<Tensor>);
static_assert(GivesTensors<const LayerView&> && !GivesTensors<LayerView>);
static_assert(GivesInfo<const Layer&> && !GivesInfo<Layer>);
static_assert(GivesName<const Layer&> && !GivesName<Layer>);
static_assert(GivesInfo<const Container&> && !GivesInfo<Container>);
static_assert(FindsTensors<const Container&> && !FindsTensors<Container>);
static_assert(DescribesTensors<const Container&> && !DescribesTensors<Container>);
static_assert(ListsAttachments<const Container&> && !ListsAttachments<Container>);
static_assert(GivesBytes<const HostBuffer&> && !GivesBytes<HostBuffer>);
static_assert(GivesMembers<const Result<Tensor>&> && !GivesMembers<Result<Tensor>>);

// One handle of each kind to the same bytes, and one that shares them from another layer.
struct Handles {
  std::optional<Container> container;
  std::optional<Layer> layer;
  std::optional<LayerView> view;
  std::optional<Tensor> of_layer;      // copied out of the view
  std::optional<Tensor> of_container;  // asked for by name
  std::optional<Tensor> tied;
};

constexpr std::size_t kKinds = 6;

void destroy(Handles& handles, std::size_t kind) {
  const std::array<std::function<void()>, kKinds> resets = {
      [&] { handles.container.reset(); },    [&] { handles.layer.reset(); },
      [&] { handles.view.reset(); },         [&] { handles.of_layer.reset(); },
      [&] { handles.of_container.reset(); }, [&] { handles.tied.reset(); }};
  resets[kind]();
}

class LifetimeTest : public ::testing::TestWithParam<AccessMode> {
 protected:
  Handles open() {
    Handles handles;
    handles.container = open_with(path_, {.access = GetParam()}).value();
    handles.layer = handles.container->layer("embed").value();
    handles.view = handles.layer->acquire().value();
    handles.of_layer = handles.view->tensors().front();
    handles.of_container = handles.container->tensor("embed.weight").value();
    handles.tied = handles.container->tensor("head.weight").value();
    return handles;
  }

  // Whatever is left still shows its bytes and its name.
  void expect_alive(const Handles& handles) {
    for (const auto* tensor : {&handles.of_layer, &handles.of_container}) {
      if (!*tensor) continue;
      EXPECT_EQ((*tensor)->name(), "embed.weight");
      EXPECT_TRUE(holds(**tensor, builder_.oracle().at("embed.weight")));
    }
    if (handles.tied) {
      EXPECT_TRUE(holds(*handles.tied, builder_.oracle().at("embed.weight")));
    }
    if (handles.layer) {
      EXPECT_EQ(handles.layer->name(), "embed");
    }
    if (handles.view) {
      EXPECT_EQ(handles.view->tensors().front().name(), "embed.weight");
    }
    if (handles.container) {
      EXPECT_EQ(handles.container->info().layer_count, 2U);
    }
  }

  static ContainerBuilder tied_layers() {
    ContainerBuilder builder;
    builder.layer("embed").tensor("embed.weight", pattern_bytes(70'000, 1));
    builder.layer("head").view("head.weight", "embed.weight", 0, 70'000);
    return builder;
  }

  const ContainerBuilder builder_ = tied_layers();
  const TempDir directory_;
  const std::string path_ = ContainerBuilder(builder_).build(directory_.path() / "m.wpack");
};

TEST_P(LifetimeTest, HandlesMayBeDestroyedInEveryOrder) {
  std::array<std::size_t, kKinds> order = {0, 1, 2, 3, 4, 5};
  int orders = 0;
  do {
    Handles handles = open();
    for (const std::size_t kind : order) {
      destroy(handles, kind);
      expect_alive(handles);
    }
    ++orders;
  } while (std::next_permutation(order.begin(), order.end()));
  EXPECT_EQ(orders, 720);
}

TEST_P(LifetimeTest, HandlesMayBeDestroyedOnOtherThreadsWhileOthersRead) {
  for (int round = 0; round < 50; ++round) {
    Handles handles = open();
    std::vector<std::thread> threads;
    for (std::size_t kind = 0; kind < kKinds; ++kind) {
      threads.emplace_back([&handles, kind, this] {
        // Each thread has one handle to itself: it uses it, then lets it go.
        if (kind == 1) (void)handles.layer->prefetch();
        if (kind == 3) {
          EXPECT_TRUE(holds(*handles.of_layer, builder_.oracle().at("embed.weight")));
        }
        if (kind == 5) {
          EXPECT_TRUE(holds(*handles.tied, builder_.oracle().at("embed.weight")));
        }
        destroy(handles, kind);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
}

TEST_P(LifetimeTest, BytesStayThroughReleaseAndTheEndOfTheContainer) {
  Handles handles = open();
  handles.layer->release(ReleasePages::kPageCache);
  handles.container.reset();
  handles.layer->release();
  handles.layer.reset();
  handles.view.reset();
  std::filesystem::remove_all(path_);
  expect_alive(handles);
}

TEST_P(LifetimeTest, TheLastHandleMayGoWhileALayerIsBeingPrefetched) {
  for (int round = 0; round < 50; ++round) {
    std::optional<Container> container = open_with(path_, {.access = GetParam()}).value();
    for (const Layer& layer : container->layers()) EXPECT_THAT(layer.prefetch(), IsOk());
    std::thread([&container] { container.reset(); }).join();
  }
}

INSTANTIATE_TEST_SUITE_P(All, LifetimeTest, kAccessModes, access_name);

}  // namespace
}  // namespace wpack::testing
