#include "load/read_in.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <new>
#include <thread>
#include <utility>

#include "load/scope_exit.h"
#include "os/thread.h"

namespace wpack::load {
namespace {

class ReadIn {
 public:
  ReadIn(const OpenedIndex& index, const std::vector<MappedPiece>& pieces,
         const ReadControl& control, AccessCounters& counters)
      : index_(index), pieces_(pieces), control_(control), counters_(counters) {}

  [[nodiscard]] Status run(std::size_t thread_count) {
    {
      std::vector<std::thread> others;
      const ScopeExit join([&] {
        for (std::thread& other : others) other.join();
      });
      if (thread_count > 1)
        os::start_threads(others, thread_count - 1, [this] { work(&ReadControl::check); });
      work(&ReadControl::tell);
    }
    return std::move(status_);
  }

 private:
  // An exception that left a thread would end the process. Only the calling thread may tell the
  // caller how far it has come.
  using GoOn = Status (ReadControl::*)() const;
  void work(GoOn go_on) noexcept {
    try {
      // Whoever takes a piece brings it in: no failure in front of the one that is kept is missed.
      while (!failed_) {
        const std::size_t number = next_++;
        if (number >= pieces_.size()) return;
        populate(number, go_on);
      }
    } catch (const std::bad_alloc&) {
      fail(0, Error(ErrorCode::kLimit, "out of memory"));
    }
  }

  void populate(std::size_t number, GoOn go_on) {
    if (Status may = (control_.*go_on)(); !may) return fail(number, std::move(may).error());
    const MappedPiece& piece = pieces_[number];
    const TraceSpan span(counters_, "bring a piece in", {}, piece.range.size());
    Status status = piece.shard->region.populate(piece.range);
    if (status) {
      counters_.brought_in_bytes.fetch_add(piece.range.size(), std::memory_order_relaxed);
      control_.add_read(piece.range.size());
    } else {
      fail(number, std::move(status).error().in(index_.shard_label(piece.shard->number)));
    }
  }

  // Of several failures, the one of the foremost piece is kept.
  void fail(std::size_t number, Error error) {
    const std::lock_guard lock(mutex_);
    if (failed_ && number >= failed_piece_) return;
    failed_ = true;
    failed_piece_ = number;
    status_ = std::move(error);
  }

  const OpenedIndex& index_;
  const std::vector<MappedPiece>& pieces_;
  const ReadControl& control_;
  AccessCounters& counters_;
  std::atomic<std::size_t> next_{0};
  std::atomic<bool> failed_{false};
  std::mutex mutex_;
  std::size_t failed_piece_ = 0;
  Status status_;
};

}  // namespace

Status read_in(const OpenedIndex& index, const std::vector<MappedPiece>& pieces,
               const ReadControl& control, AccessCounters& counters) {
  std::uint32_t depth = 1;
  for (const MappedPiece& piece : pieces) {
    control.expect_read(piece.range.size());
    depth = std::max(depth, piece.shard->reading.choice.depth);
  }
  return ReadIn(index, pieces, control, counters).run(std::min<std::size_t>(depth, pieces.size()));
}

}  // namespace wpack::load
