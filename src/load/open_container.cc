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

}  // namespace

Result<Container> open_container(const std::string& path, const OpenOptions& options,
                                 Engines engines) {
  WPACK_ASSIGN(OpenedIndex index, open_index(path, options.max_index_bytes));
  auto order = ReadaheadOrder::create(index.file.index, options.use_order);
  if (!order) return std::move(order).error().in(index.label);
  const std::shared_ptr<ContainerState> state(
      new ContainerState(path, std::move(index), *std::move(order), options, std::move(engines)),
      StateDeleter());
  WPACK_TRY(state->start(options.progress));
  return HandleFactory::container(state);
}

}  // namespace wpack::load
