// What the composition root hands to loading: how to read, and where memory comes from.
#pragma once

#include <functional>
#include <memory>

#include "wpack/async_reader.h"
#include "wpack/buffer_pool.h"
#include "wpack/error.h"

namespace wpack::load {

struct Engines {
  // Makes a reader for one loading thread. Called from any thread.
  std::function<Result<std::unique_ptr<AsyncReader>>()> make_reader;
  std::shared_ptr<BufferPool> pool;
};

}  // namespace wpack::load
