// What a container has done since it was opened, as Container::stats() returns it; values, without
// ties to the container. wpack/metrics.h writes them as JSON and for Prometheus.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace wpack {

// Time by what it was spent on, in nanoseconds.
struct PhaseNanoseconds {
  std::uint64_t disk = 0;       // reads, and bringing mapped pages in
  std::uint64_t verify = 0;     // checksums
  std::uint64_t memory = 0;     // waiting for room under the memory budget
  std::uint64_t readahead = 0;  // waiting for bytes that another thread was reading already
  std::uint64_t consumer = 0;   // waiting for a device: a free slot of staging, the end of copies
};

// What was to be used, could not be, and was done without.
struct Fallback {
  std::string what;         // such as the name of an engine
  std::string reason;       // may hold names of files: escape it for a terminal
  std::uint64_t count = 0;  // times
};

// What a container has done since it was opened.
struct AccessStats {
  std::uint64_t mapped_bytes = 0;  // of shards that are mapped: addresses, in memory or not
  // Read into memory, not mapped: the next two together.
  std::uint64_t read_bytes = 0;
  std::uint64_t direct_bytes = 0;    // past the page cache
  std::uint64_t buffered_bytes = 0;  // through the page cache, whether it held them or not
  // Of mapped shards, in pages that were faulted in before they were handed out, whether the page
  // cache held them or not. What whoever uses the bytes faults in himself is not known.
  std::uint64_t brought_in_bytes = 0;
  std::uint64_t verified_bytes = 0;  // stored bytes whose checksum was checked
  std::uint64_t prefetched_bytes = 0;
  // What the kernel had against a mapping; empty if it had nothing.
  std::string mapping_refused = {};
  // Engines and ways of reading that come first and that the host or a file lacks, for each first
  // use of a shard and each transfer that did without, and those that had been chosen and could not
  // be used then.
  std::vector<Fallback> fallbacks = {};
  std::uint64_t layer_hits = 0;       // acquired layers that were in memory already
  std::uint64_t layer_misses = 0;     // acquired layers that had to be read
  std::uint64_t reads_in_flight = 0;  // now
  // Callers of acquire(), tensor(), slices() and transfers waited for this: what the reader of
  // weights feels.
  PhaseNanoseconds stalls = {};
  // The same work done by readahead, while nobody waited.
  PhaseNanoseconds background = {};
  // Of the memory budget, which containers may share.
  std::uint64_t layers_given_up = 0;      // layers that went from memory to make room
  std::uint64_t memory_bytes = 0;         // private memory held now, kept free included
  std::uint64_t huge_tlb_bytes = 0;       // of that, in pages of the reserved huge page pool
  std::uint64_t huge_asked_bytes = 0;     // of that, where transparent huge pages were asked for
  std::uint64_t peak_memory_bytes = 0;    // the most that was held
  std::uint64_t reused_memory_bytes = 0;  // used again without asking the system
};

}  // namespace wpack
