// All of wpack's public headers.
#pragma once

#include "wpack/async_reader.h"
#include "wpack/buffer_pool.h"
#include "wpack/container.h"
#include "wpack/device.h"
#include "wpack/error.h"
#include "wpack/pack.h"
#include "wpack/progress.h"
#include "wpack/staging_ring.h"
#include "wpack/tensor_source.h"
#include "wpack/text.h"
#include "wpack/transfer.h"
#include "wpack/types.h"
#include "wpack/unpack.h"
#include "wpack/verify.h"
#include "wpack/version.h"
