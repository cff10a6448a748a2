#include "load/budget_pool.h"

#include <mutex>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "os/process.h"

namespace wpack::load {
namespace {

class BudgetPool final : public BufferPool {
 public:
  explicit BudgetPool(std::shared_ptr<MemoryBudget> memory) : memory_(std::move(memory)) {}

  [[nodiscard]] std::string_view name() const noexcept override { return "budget"; }
  [[nodiscard]] BufferPoolStats stats() const override { return memory_->use().pool; }

 protected:
  Result<MutableBytes> do_allocate(std::uint64_t size) override {
    WPACK_ASSIGN(HostBuffer buffer, memory_->obtain_now(size));
    const MutableBytes bytes = buffer.bytes();
    const std::lock_guard lock(mutex_);
    buffers_.emplace(bytes.data(), std::move(buffer));
    return bytes;
  }

  // A child that was forked leaves the memory to its own end.
  void do_release(MutableBytes bytes) noexcept override {
    if (mark_.is_other_process()) return;
    {
      const std::lock_guard lock(mutex_);
      buffers_.erase(bytes.data());
    }
    memory_->notify();  // somebody may wait for just this memory
  }

 private:
  const std::shared_ptr<MemoryBudget> memory_;
  const os::ProcessMark mark_;
  std::mutex mutex_;
  std::unordered_map<const std::byte*, HostBuffer> buffers_;  // handed out
};

}  // namespace

std::shared_ptr<BufferPool> make_budget_pool(std::shared_ptr<MemoryBudget> memory) {
  return std::make_shared<BudgetPool>(std::move(memory));
}

}  // namespace wpack::load
