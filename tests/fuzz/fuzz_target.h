// The function that each target defines: it runs one input, and returns 0. libFuzzer calls it, and
// replay.cc in builds without libFuzzer.
#pragma once

#include <cstddef>
#include <cstdint>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
