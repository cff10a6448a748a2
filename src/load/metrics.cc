#include "wpack/metrics.h"

#include <fmt/format.h>

#include <iterator>

namespace wpack {
namespace {

// A label's value: what would end it or the line is escaped.
std::string escape_label(std::string_view text) {
  std::string escaped;
  for (const char byte : text) {
    if (byte == '\\' || byte == '"') escaped += '\\';
    if (byte == '\n') {
      escaped += "\\n";
    } else {
      escaped += byte;
    }
  }
  return escaped;
}

class Exposition {
 public:
  Exposition(std::string_view label, std::string_view value)
      : label_(fmt::format("{}=\"{}\"", label, escape_label(value))) {}

  void family(std::string_view name, std::string_view type, std::string_view help) {
    name_ = name;
    fmt::format_to(std::back_inserter(text_), "# HELP {0} {2}\n# TYPE {0} {1}\n", name, type, help);
  }
  template <typename Value>
  void sample(Value value, std::string_view labels = {}) {
    fmt::format_to(std::back_inserter(text_), "{}{{{}{}{}}} {}\n", name_, label_,
                   labels.empty() ? "" : ",", labels, value);
  }
  template <typename Value>
  void metric(std::string_view name, std::string_view type, std::string_view help, Value value) {
    family(name, type, help);
    sample(value);
  }
  // A counter of what was in memory, and of what was not.
  void acquired(std::string_view name, std::string_view help, std::uint64_t hits,
                std::uint64_t misses) {
    family(name, "counter", help);
    sample(hits, "from=\"memory\"");
    sample(misses, "from=\"storage\"");
  }
  [[nodiscard]] std::string take() { return std::move(text_); }

 private:
  std::string label_;
  std::string_view name_;
  std::string text_;
};

void add_phases(Exposition& out, std::string_view name, std::string_view help,
                const PhaseNanoseconds& spent) {
  constexpr double kNanosecond = 1e-9;
  out.family(name, "counter", help);
  out.sample(static_cast<double>(spent.disk) * kNanosecond, "cause=\"disk\"");
  out.sample(static_cast<double>(spent.verify) * kNanosecond, "cause=\"verify\"");
  out.sample(static_cast<double>(spent.memory) * kNanosecond, "cause=\"memory\"");
  out.sample(static_cast<double>(spent.readahead) * kNanosecond, "cause=\"readahead\"");
  out.sample(static_cast<double>(spent.consumer) * kNanosecond, "cause=\"consumer\"");
}

}  // namespace

std::string to_prometheus(const AccessStats& stats, std::string_view container) {
  Exposition out("container", container);
  out.metric("wpack_mapped_bytes", "gauge", "Bytes of shards that are mapped, in memory or not.",
             stats.mapped_bytes);
  out.family("wpack_read_bytes_total", "counter",
             "Bytes brought into memory: read past the page cache, read through it, or mapped.");
  out.sample(stats.direct_bytes, "source=\"direct\"");
  out.sample(stats.buffered_bytes, "source=\"page_cache\"");
  out.sample(stats.brought_in_bytes, "source=\"mapping\"");
  out.metric("wpack_verified_bytes_total", "counter", "Stored bytes whose checksum was checked.",
             stats.verified_bytes);
  out.metric("wpack_read_ahead_bytes_total", "counter", "Bytes read before they were asked for.",
             stats.prefetched_bytes);
  out.acquired("wpack_layers_acquired_total", "Acquired layers, by whether they were in memory.",
               stats.layer_hits, stats.layer_misses);
  out.metric("wpack_layers_given_up_total", "counter", "Layers that made room for others.",
             stats.layers_given_up);
  out.family("wpack_fallbacks_total", "counter", "Uses of the next best engine, by reason.");
  for (const Fallback& fallback : stats.fallbacks) {
    out.sample(fallback.count,
               fmt::format("engine=\"{}\",reason=\"{}\"", escape_label(fallback.what),
                           escape_label(fallback.reason)));
  }
  out.metric("wpack_reads_in_flight", "gauge", "Reads that have not completed.",
             stats.reads_in_flight);
  out.metric("wpack_memory_bytes", "gauge", "Private memory held.", stats.memory_bytes);
  out.family("wpack_memory_huge_bytes", "gauge",
             "Private memory in huge pages of the reserved pool, and where others were asked for.");
  out.sample(stats.huge_tlb_bytes, "pages=\"reserved\"");
  out.sample(stats.huge_asked_bytes, "pages=\"transparent\"");
  out.metric("wpack_memory_peak_bytes", "gauge", "The most private memory that was held.",
             stats.peak_memory_bytes);
  out.metric("wpack_memory_reused_bytes_total", "counter",
             "Private memory used again without asking the system.", stats.reused_memory_bytes);
  add_phases(out, "wpack_stall_seconds_total", "Time that callers waited, by cause.", stats.stalls);
  add_phases(out, "wpack_background_seconds_total", "Time of readahead, by what it was spent on.",
             stats.background);
  return out.take();
}

std::string to_prometheus(const WeightCacheStats& stats, std::string_view cache) {
  Exposition out("cache", cache);
  out.metric("wpack_cache_open_containers", "gauge", "Containers that are open.", stats.open_count);
  out.acquired("wpack_cache_opens_total", "Containers asked for, by whether they were open.",
               stats.hits, stats.misses);
  out.metric("wpack_cache_evicted_total", "counter", "Containers closed to make room for others.",
             stats.evicted);
  out.acquired("wpack_cache_layers_acquired_total",
               "Acquired layers, by whether they were in memory.", stats.layer_hits,
               stats.layer_misses);
  out.metric("wpack_cache_layers_given_up_total", "counter", "Layers that made room for others.",
             stats.layers_given_up);
  out.metric("wpack_cache_memory_bytes", "gauge", "Private memory held.", stats.memory_bytes);
  out.metric("wpack_cache_memory_peak_bytes", "gauge", "The most private memory that was held.",
             stats.peak_memory_bytes);
  return out.take();
}

}  // namespace wpack
