// How fast the disk is at this moment, by fio: the mark that cold loading is held against.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wpack/error.h"

namespace wpack::cli {

// Returns bytes per second at which fio reads `files` once, one after the other, past the page
// cache: libaio, direct=1, bs=1M, iodepth=32. Errors: kUnsupportedHost (fio is not installed), and
// what fio says when it fails.
[[nodiscard]] Result<double> disk_rate(const std::vector<std::string>& files);

// Returns the rate in what fio printed as JSON, warnings before it included. Errors: kInternal (it
// is not what fio prints, or nothing was read: files below 1 MiB).
[[nodiscard]] Result<double> parse_fio_rate(std::string_view output);

// The disk's rates between the runs, or why there are none.
class DiskRates {
 public:
  // Measures nothing if `reason` says why not.
  DiskRates(std::vector<std::string> files, std::string reason)
      : files_(std::move(files)), reason_(std::move(reason)) {}

  // Measures now. Once that has failed, it is not tried again.
  void sample();
  // Returns the mean of the last two samples: those before and after a run. nullopt without both.
  [[nodiscard]] std::optional<double> around_last_run() const;

  [[nodiscard]] const std::vector<double>& samples() const { return samples_; }
  // Why there are no rates; empty if there are.
  [[nodiscard]] const std::string& reason() const { return reason_; }

 private:
  std::vector<std::string> files_;
  std::vector<double> samples_;  // bytes per second
  std::string reason_;
};

}  // namespace wpack::cli
