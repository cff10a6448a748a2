// Where the time of loading goes, event by event.
//
// A tracer is given to a container when it is opened (OpenOptions::tracer) and told of everything
// that takes time: layers that are acquired and read ahead, single reads from submission to
// completion, checks of checksums, waiting for memory. Without a tracer, nothing is measured for
// it. `wpack load --trace FILE` writes the events in the format that Perfetto and Chrome read.
#pragma once

#include <chrono>
#include <cstdint>
#include <string_view>

#include "wpack/export.h"

namespace wpack {

struct TraceEvent {
  enum class Kind : std::uint8_t {
    kSpan,       // what the calling thread did from `begin` to `end`
    kReadBegin,  // a read was submitted: `id` tells it from all others of the container in flight
    kReadEnd,    // it has completed
    // `value` is what is counted from `begin` on: "reads in flight", or bytes of private memory
    // ("memory held", that of the memory budget)
    kCounter,
  };
  using Time = std::chrono::steady_clock::time_point;

  Kind kind = Kind::kSpan;
  std::string_view name =
      {};  // of fixed text, which never dangles: "acquire", "read", "verify", ...
  std::string_view detail = {};  // of the layer or file, valid during the call only; may be empty
  Time begin = {};
  Time end = {};            // of a span
  std::uint64_t id = 0;     // of a read
  std::uint64_t value = 0;  // bytes of a span or read; of a counter, what it counts
};

// Receives events. The library calls record() from every thread that loads.
class WPACK_EXPORT Tracer {
 public:
  Tracer() = default;
  Tracer(const Tracer&) = delete;
  Tracer& operator=(const Tracer&) = delete;
  virtual ~Tracer() = default;

  // Takes one event. Must not call back into the container, and should return within a
  // microsecond or so, as loading waits for it. Thread safety: called from several threads at once.
  virtual void record(const TraceEvent& event) noexcept = 0;
};

}  // namespace wpack
