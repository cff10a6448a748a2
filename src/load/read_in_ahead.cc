#include "load/read_in_ahead.h"

#include <algorithm>
#include <new>

#include "load/engine_policy.h"
#include "os/thread.h"

namespace wpack::load {
namespace {

// So many that the threads rarely wait, and so few that all are still in memory when they are used.
constexpr std::size_t kWindow = 8;

}  // namespace

ReadInAhead::ReadInAhead(const os::MappedRegion& region, std::uint32_t threads,
                         const AccessCounters& counters)
    : region_(region),
      counters_(counters),
      pieces_((region.bytes().size() + kReadInPieceSize - 1) / kReadInPieceSize, State::kIdle) {
  if (pieces_.size() < 2) return;
  os::start_threads(threads_, threads, [this] { work(); });
}

ReadInAhead::~ReadInAhead() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  moved_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

Status ReadInAhead::wait_for(ByteRange range) {
  const std::size_t first = range.begin / kReadInPieceSize;
  const std::size_t last = (range.end - 1) / kReadInPieceSize;
  std::unique_lock lock(mutex_);
  if (first < used_) {  // it may have been taken back: nothing here knows
    lock.unlock();
    return region_.populate(range);
  }
  if (first > used_) {
    used_ = first;
    moved_.notify_all();
  }
  for (std::size_t piece = first; piece <= last; ++piece) {
    if (pieces_[piece] == State::kIdle) bring_in(lock, piece);
    arrived_.wait(lock, [&] { return pieces_[piece] != State::kTaken; });
    // Once more, for the error.
    if (pieces_[piece] == State::kFailed) return region_.populate(range);
  }
  return {};
}

void ReadInAhead::work() noexcept {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const std::size_t end = std::min(used_ + kWindow, pieces_.size());
    std::size_t piece = used_;
    while (piece < end && pieces_[piece] != State::kIdle) ++piece;
    if (piece < end) {
      bring_in(lock, piece);
    } else if (end == pieces_.size()) {
      return;
    } else {
      moved_.wait(lock);
    }
  }
}

// An exception that left a thread would end the process.
bool ReadInAhead::populate(ByteRange range) const noexcept {
  try {
    if (!region_.populate(range)) return false;
  } catch (const std::bad_alloc&) {
    return false;
  }
  // Where that faults in the host, it costs a multiple of going through the bytes: it is done here,
  // by all threads, so that the one which goes through them need not.
  region_.touch(range);
  return true;
}

void ReadInAhead::bring_in(std::unique_lock<std::mutex>& lock, std::size_t piece) {
  const std::uint64_t begin = piece * kReadInPieceSize;
  const ByteRange range{begin, std::min(begin + kReadInPieceSize, region_.bytes().size())};
  pieces_[piece] = State::kTaken;
  lock.unlock();
  bool there = false;
  {
    const TraceSpan span(counters_, "bring a piece in", {}, range.size());
    there = populate(range);
  }
  lock.lock();
  pieces_[piece] = there ? State::kThere : State::kFailed;
  arrived_.notify_all();
}

}  // namespace wpack::load
