#include "wpack/explain.h"

#include "load/container_state.h"
#include "load/handle_factory.h"

namespace wpack {

Result<Explanation> explain(const Container& container) {
  return HandleFactory::state(container).explain();
}

}  // namespace wpack
