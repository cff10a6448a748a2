// Measuring how a disk is read best, once, for many loads.
//
//   auto report = wpack::tune("model.wpack");
//   if (!report) return fail(report.error().message());
//   keep(wpack::to_json(report->profile));               // wpack/read_profile.h
//
// Ways of reading are measured in rounds, each round in another order, so that a disk that drifts
// favours none of them; medians are compared. A way that does not differ from wpack's own default
// by more than the rounds differ from each other is not chosen.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "wpack/error.h"
#include "wpack/explain.h"
#include "wpack/export.h"
#include "wpack/host.h"
#include "wpack/progress.h"
#include "wpack/read_profile.h"

namespace wpack {

inline constexpr double kMaxTuneSeconds = 10;

struct TuneOptions {
  // How long it may take: above 0, at most kMaxTuneSeconds. What the disk has begun is waited for.
  double seconds = kMaxTuneSeconds;
  // Bytes that were read, and how many it will be, as far as can be told: the total moves.
  ProgressCallback progress = {};
};

// One way of reading, over a few tens of milliseconds.
struct ReadSample {
  double bytes_per_second = 0;
  double cpu_seconds_per_byte = 0;  // of the whole process, in user and system mode
};

// A way of reading, and what came of it.
struct MeasuredShape {
  ReadShape shape;
  std::vector<ReadSample> rounds;  // those in which it took part
  // Medians of the rounds; 0 without any.
  double bytes_per_second = 0;
  double cpu_seconds_per_byte = 0;
};

// How a choice came about.
enum class TuneOutcome {
  kNotMeasured,   // nothing was
  kTooFewRounds,  // so little was measured that the default stays
  kNoise,         // what came first does not differ enough from the default, which stays
  kDefault,       // the default came first
  kTuned,         // another shape did
};
// Returns a fixed lower-case word for `outcome`, such as "tuned". Never fails.
[[nodiscard]] WPACK_EXPORT std::string_view to_string(TuneOutcome outcome) noexcept;

struct TuneChoice {
  TuneOutcome outcome = TuneOutcome::kNotMeasured;
  std::optional<ReadShape> shape;  // unset: not measured
  std::string reason;              // one line for people
};

// What was found out about direct reads, or about reads through the page cache.
struct TunedReads {
  ReadShape standard;                   // how wpack reads without a profile
  std::vector<MeasuredShape> measured;  // the fastest first; those that fell behind have few rounds
  TuneChoice choice;
};

struct TuneReport {
  ReadProfile profile;  // to be kept
  HostReport facts;     // facts.file is what was read
  TunedReads direct;    // past the page cache
  TunedReads buffered;  // through it, of bytes that were not in it
  // What could not be measured, and why.
  std::vector<Refusal> skipped;
  std::uint64_t read_bytes = 0;
  double seconds = 0;
};

// Measures reading the file `path`, or the largest file of the directory `path` (a container's
// largest shard), and the first touch of fresh memory. Writes nothing. Drops from the page cache
// what it reads through it, also where it was there before; takes up to 200 MiB of memory. Work
// of other threads of the process is measured with it, and so are reads of others on the same disk:
// call it while little else goes on. What a host lacks, or a file that is too small (64 MiB), is no
// failure: TuneReport::skipped says what was not measured.
//
// Errors: kInvalidArgument (seconds out of its range), kIo (`path` cannot be opened, or a read
// fails), kBadInput (it is neither file nor directory), kLimit (no memory), kCancelled, and what
// the fact says (kIo, kUnsupportedHost) where the kernel tells nothing of itself, of the device or
// of the file system, so that nobody could find the profile again. Thread safety: any thread.
[[nodiscard]] WPACK_EXPORT Result<TuneReport> tune(const std::string& path,
                                                   const TuneOptions& options = {});

}  // namespace wpack
