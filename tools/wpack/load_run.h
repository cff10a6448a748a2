// A load as a program would make it, measured: what `wpack load` does before it prints.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "load_device.h"
#include "process_usage.h"
#include "rank_slices.h"
#include "touch.h"
#include "wpack/container.h"
#include "wpack/error.h"
#include "wpack/tensor_slice.h"
#include "wpack/use_order.h"

namespace wpack::cli {

struct LoadOptions {
  std::string container;
  std::vector<std::string> layers;
  std::optional<std::string> first_layer;
  Touch touch = Touch::kPages;
  OpenOptions open;
  std::string trace;    // file; empty: none
  std::string metrics;  // file; empty: none
  std::string record;   // file; empty: none
  std::string order;    // file; empty: none
  RankOptions rank;
  DeviceOptions device;
  std::optional<double> deadline_seconds;  // from the start of opening
  bool use_profile = true;
  bool json = false;
};

// What a load did, as far as it came, and how long each step took from the start of opening.
struct LoadReport {
  ContainerInfo info;
  AccessStats stats;
  ProcessUsage before;
  ProcessUsage after;
  std::uint64_t layer_count = 0;
  std::uint64_t tensor_count = 0;
  std::uint64_t bytes = 0;                // bytes that several tensors share counted once
  std::uint64_t mapped_tensor_count = 0;  // of those that have bytes
  std::uint64_t read_tensor_count = 0;    // of those that have bytes
  ReadCost slices;                        // of a rank
  std::optional<DeviceReport> device;
  double open_seconds = 0;
  std::optional<double> first_tensor_seconds;
  std::optional<double> first_layer_seconds;
  double total_seconds = 0;
  UseOrder use_order;
  std::optional<std::uint64_t> word_sum;  // of all tensors, tied ones once; if all bytes were read

  [[nodiscard]] double cpu_seconds() const { return after.cpu_seconds() - before.cpu_seconds(); }
};

// Opens the container, loads what is wanted layer by layer, and uses the bytes as options.touch
// says. After an error `report` has the statistics up to there. Errors: those of Container::open,
// Layer::acquire, RankSlices::open and DeviceLoader; kDeadline also where opening takes that long.
[[nodiscard]] Status run_load(const LoadOptions& options, LoadReport& report);

}  // namespace wpack::cli
