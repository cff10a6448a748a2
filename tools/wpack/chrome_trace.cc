#include "chrome_trace.h"

#include <unistd.h>

#include <new>

#include "output.h"

namespace wpack::cli {
namespace {

double microseconds(TraceEvent::Time::duration time) {
  return std::chrono::duration<double, std::micro>(time).count();
}

const char* phase_letter(TraceEvent::Kind kind) {
  switch (kind) {
    case TraceEvent::Kind::kSpan:
      return "X";
    case TraceEvent::Kind::kReadBegin:
      return "b";
    case TraceEvent::Kind::kReadEnd:
      return "e";
    case TraceEvent::Kind::kCounter:
      return "C";
  }
  return "i";
}

}  // namespace

// An event that memory is lacking for is left out: a trace must never fail a load.
void ChromeTrace::record(const TraceEvent& event) noexcept {
  try {
    Entry entry{event, std::string(event.detail), static_cast<int>(::gettid())};
    entry.event.detail = {};
    const std::lock_guard lock(mutex_);
    entries_.push_back(std::move(entry));
  } catch (const std::bad_alloc&) {
    return;
  }
}

std::string ChromeTrace::to_json() const {
  const std::lock_guard lock(mutex_);
  const int process = static_cast<int>(::getpid());
  std::string text = "{\"displayTimeUnit\": \"ms\", \"traceEvents\": [";
  const char* separator = "\n";
  for (const Entry& entry : entries_) {
    const TraceEvent& event = entry.event;
    const bool is_read =
        event.kind == TraceEvent::Kind::kReadBegin || event.kind == TraceEvent::Kind::kReadEnd;
    Json row;
    row["ph"] = phase_letter(event.kind);
    row["name"] = event.name;
    row["cat"] = "wpack";
    row["pid"] = process;
    row["tid"] = entry.thread;
    row["ts"] = microseconds(event.begin - start_);
    if (event.kind == TraceEvent::Kind::kSpan) row["dur"] = microseconds(event.end - event.begin);
    if (is_read) row["id"] = event.id;
    row["args"][event.kind == TraceEvent::Kind::kCounter ? "value" : "bytes"] = event.value;
    if (!entry.detail.empty()) row["args"]["detail"] = entry.detail;
    text += separator;
    text += row.dump(-1, ' ', false, Json::error_handler_t::replace);
    separator = ",\n";
  }
  text += "\n]}\n";
  return text;
}

}  // namespace wpack::cli
