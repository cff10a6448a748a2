#include "load/open_container.h"

#include <memory>
#include <utility>

#include "load/container_state.h"
#include "load/handle_factory.h"
#include "load/index_reader.h"
#include "load/readahead_order.h"
#include "os/process.h"

namespace wpack::load {
namespace {

// In a child that was forked, a container cannot be taken down: its threads are not there to be
// joined, and what they waited at waits for them for ever. The memory goes with the child.
struct StateDeleter {
  const os::ProcessMark mark = {};
  void operator()(ContainerState* state) const noexcept {
    if (!mark.is_other_process()) delete state;
  }
};

// Reads no payload: the state is not started.
Result<std::shared_ptr<ContainerState>> make_state(const std::string& path,
                                                   const OpenOptions& options, Engines engines) {
  WPACK_ASSIGN(OpenedIndex index, open_index(path, options.max_index_bytes));
  auto order = ReadaheadOrder::create(index.file.index, options.use_order);
  if (!order) return std::move(order).error().in(index.label);
  return std::shared_ptr<ContainerState>(
      new ContainerState(path, std::move(index), *std::move(order), options, std::move(engines)),
      StateDeleter());
}

}  // namespace

Result<Container> open_container(const std::string& path, const OpenOptions& options,
                                 Engines engines) {
  WPACK_ASSIGN(const auto state, make_state(path, options, std::move(engines)));
  WPACK_TRY(state->start(options.progress));
  return HandleFactory::container(state);
}

Result<Explanation> explain_container(const std::string& path, const OpenOptions& options,
                                      Engines engines) {
  WPACK_ASSIGN(const auto state, make_state(path, options, std::move(engines)));
  return state->explain();
}

}  // namespace wpack::load
