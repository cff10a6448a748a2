// Opening a container with given engines.
#pragma once

#include <string>

#include "load/engines.h"
#include "wpack/container.h"
#include "wpack/error.h"
#include "wpack/explain.h"

namespace wpack::load {

// Container::open() for callers that choose how bytes are read and where they are kept.
[[nodiscard]] Result<Container> open_container(const std::string& path, const OpenOptions& options,
                                               Engines engines);

// wpack::explain() of a path, for the same callers.
[[nodiscard]] Result<Explanation> explain_container(const std::string& path,
                                                    const OpenOptions& options, Engines engines);

}  // namespace wpack::load
