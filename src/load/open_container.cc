#include "load/open_container.h"

#include <memory>
#include <utility>

#include "load/container_state.h"
#include "load/handle_factory.h"
#include "load/index_reader.h"

namespace wpack::load {

Result<Container> open_container(const std::string& path, const OpenOptions& options,
                                 Engines engines) {
  WPACK_ASSIGN(OpenedIndex index, open_index(path, options.max_index_bytes));
  auto state =
      std::make_shared<ContainerState>(path, std::move(index), options, std::move(engines));
  WPACK_TRY(state->start());
  return HandleFactory::container(std::move(state));
}

}  // namespace wpack::load
