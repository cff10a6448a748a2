// All of wpack's public headers.
#pragma once

#include "wpack/async_reader.h"
#include "wpack/buffer_pool.h"
#include "wpack/container.h"
#include "wpack/error.h"
#include "wpack/explain.h"
#include "wpack/host.h"
#include "wpack/pack.h"
#include "wpack/progress.h"
#include "wpack/tensor_parallel.h"
#include "wpack/tensor_slice.h"
#include "wpack/tensor_source.h"
#include "wpack/text.h"
#include "wpack/types.h"
#include "wpack/unpack.h"
#include "wpack/verify.h"
#include "wpack/version.h"
