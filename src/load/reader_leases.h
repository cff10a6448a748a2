// Readers that are kept between loads: each loading thread borrows one of its own.
//
// An engine worked when it was tried, and may not any more: other processes take the last of the
// host's asynchronous requests, or a sandbox closes behind the first start. The next best then
// takes its place, and in the end pread, which works wherever files can be read.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <mutex>
#include <new>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "load/engines.h"
#include "load/fallbacks.h"

namespace wpack::load {

// Thread safety: all functions, from several threads at once.
class ReaderLeases {
 public:
  // What makes two readers the same to whoever needs one.
  struct Kind {
    std::string engine;
    std::uint32_t depth = 0;
    std::optional<DirectAlignment> direct = std::nullopt;
    friend bool operator==(const Kind&, const Kind&) = default;
  };
  [[nodiscard]] static Kind kind_of(const ReadChoice& choice) {
    return {choice.engine, choice.depth, choice.direct};
  }

  class Lease {
   public:
    Lease(ReaderLeases& leases, Kind kind, std::unique_ptr<AsyncReader> reader)
        : leases_(&leases), kind_(std::move(kind)), reader_(std::move(reader)) {}
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (reader_ != nullptr) leases_->give_back({std::move(kind_), std::move(reader_)});
    }
    [[nodiscard]] AsyncReader& reader() const noexcept { return *reader_; }

   private:
    ReaderLeases* leases_;
    Kind kind_;
    std::unique_ptr<AsyncReader> reader_;
  };

  // Both outlive the leases.
  ReaderLeases(const Engines& engines, Fallbacks& fallbacks)
      : engines_(engines), fallbacks_(fallbacks) {}

  // Returns an idle reader as `choice` has it, or a new one; if the host has no such engine, or has
  // run out of it, one of the next best (engines_after), and each that was done without is counted.
  // Whoever holds it polls all that it submits. Errors: those of Engines::make_reader.
  [[nodiscard]] Result<Lease> borrow(const ReadChoice& choice) {
    auto lease = borrow_as(choice);
    if (lease || !is_lack(lease.error().code())) return lease;
    Error lack = std::move(lease).error();
    ReadChoice next = choice;
    for (std::string& engine : engines_after(choice, engines_.candidates)) {
      fallbacks_.count(next.engine, lack.message());
      next.engine = std::move(engine);
      next.depth =
          next.engine == kThreadEngine ? std::min(choice.depth, kMaxThreads) : choice.depth;
      auto other = borrow_as(next);
      if (other || !is_lack(other.error().code())) return other;
      lack = std::move(other).error();
    }
    return lack;
  }

 private:
  // Requests in flight are threads there: that many keep a disk busy.
  static constexpr const char* kThreadEngine = "pread";
  static constexpr std::uint32_t kMaxThreads = 8;

  [[nodiscard]] static bool is_lack(ErrorCode code) noexcept {
    return code == ErrorCode::kUnsupportedHost || code == ErrorCode::kLimit;
  }

  [[nodiscard]] Result<Lease> borrow_as(const ReadChoice& choice) {
    Kind kind = kind_of(choice);
    {
      const std::lock_guard lock(mutex_);
      const auto found = std::ranges::find(idle_, kind, &Idle::kind);
      if (found != idle_.end()) {
        Lease lease(*this, std::move(kind), std::move(found->reader));
        idle_.erase(found);
        return lease;
      }
    }
    WPACK_ASSIGN(auto reader, engines_.make_reader(choice));
    return Lease(*this, std::move(kind), std::move(reader));
  }

  struct Idle {
    Kind kind;
    std::unique_ptr<AsyncReader> reader;
  };

  void give_back(Idle idle) noexcept {
    const std::lock_guard lock(mutex_);
    try {
      idle_.push_back(std::move(idle));
    } catch (const std::bad_alloc&) {  // the next one to need a reader makes it anew
    }
  }

  const Engines& engines_;
  Fallbacks& fallbacks_;
  std::mutex mutex_;
  std::vector<Idle> idle_;
};

}  // namespace wpack::load
