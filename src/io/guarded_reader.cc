#include "io/guarded_reader.h"

#include <fmt/format.h>
#include <unistd.h>

#include <utility>

#include "io/read_limits.h"

namespace wpack::io {
namespace {

class GuardedReader final : public AsyncReader {
 public:
  explicit GuardedReader(std::unique_ptr<AsyncReader> engine)
      : engine_(std::move(engine)), limits_(engine_->limits()) {}

  // A fork has copies of threads that do not run and of locks that nobody opens, and a ring that
  // it shares with the parent: nothing of it can be taken apart.
  ~GuardedReader() override {
    // NOLINTNEXTLINE(bugprone-unused-return-value): left alone, on purpose
    if (is_fork()) (void)engine_.release();
  }

  [[nodiscard]] std::string_view name() const noexcept override { return engine_->name(); }
  [[nodiscard]] ReadLimits limits() const noexcept override { return limits_; }

  Result<std::size_t> submit(std::span<const ReadRequest> requests) override {
    if (is_fork()) {
      return Error(
          ErrorCode::kInvalidArgument,
          fmt::format("this reader belongs to process {}, and this is {}", owner_, ::getpid()));
    }
    for (const ReadRequest& request : requests) WPACK_TRY(check_request(request, limits_));
    return engine_->submit(requests);
  }

  std::size_t poll(std::span<ReadCompletion> completions, std::size_t min_count) override {
    return is_fork() ? 0 : engine_->poll(completions, min_count);
  }

  void cancel() noexcept override {
    if (!is_fork()) engine_->cancel();
  }

 private:
  [[nodiscard]] bool is_fork() const noexcept { return ::getpid() != owner_; }

  std::unique_ptr<AsyncReader> engine_;
  const ReadLimits limits_;
  const pid_t owner_ = ::getpid();
};

}  // namespace

std::unique_ptr<AsyncReader> guard(std::unique_ptr<AsyncReader> engine) {
  return std::make_unique<GuardedReader>(std::move(engine));
}

}  // namespace wpack::io
