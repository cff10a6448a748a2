// Readers that are kept between loads: each loading thread borrows one of its own.
#pragma once

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "load/engines.h"

namespace wpack::load {

// Thread safety: all functions, from several threads at once.
class ReaderLeases {
 public:
  class Lease {
   public:
    Lease(ReaderLeases& leases, std::unique_ptr<AsyncReader> reader)
        : leases_(&leases), reader_(std::move(reader)) {}
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease() {
      if (reader_ != nullptr) leases_->give_back(std::move(reader_));
    }
    [[nodiscard]] AsyncReader& reader() const noexcept { return *reader_; }

   private:
    ReaderLeases* leases_;
    std::unique_ptr<AsyncReader> reader_;
  };

  explicit ReaderLeases(const Engines& engines) : engines_(engines) {}

  // Returns an idle reader, or a new one. Whoever holds it polls all that it submits. Errors: those
  // of Engines::make_reader.
  [[nodiscard]] Result<Lease> borrow() {
    {
      const std::lock_guard lock(mutex_);
      if (!idle_.empty()) {
        Lease lease(*this, std::move(idle_.back()));
        idle_.pop_back();
        return lease;
      }
    }
    WPACK_ASSIGN(auto reader, engines_.make_reader());
    return Lease(*this, std::move(reader));
  }

 private:
  void give_back(std::unique_ptr<AsyncReader> reader) {
    const std::lock_guard lock(mutex_);
    idle_.push_back(std::move(reader));
  }

  const Engines& engines_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<AsyncReader>> idle_;
};

}  // namespace wpack::load
