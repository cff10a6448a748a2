#include "tune/cold_windows.h"

#include <fmt/format.h>

#include <algorithm>

#include "os/residency.h"

namespace wpack::tuning {
namespace {

// Longer ranges are looked at by samples.
constexpr std::uint64_t kPieceSize = std::uint64_t{16} << 20;
// More than the kernel reads ahead anywhere.
constexpr std::uint64_t kReadahead = std::uint64_t{64} << 20;
constexpr int kAttempts = 8;

Fact<std::uint64_t> resident_in(int fd, ByteRange window) {
  std::uint64_t resident = 0;
  for (std::uint64_t begin = window.begin; begin < window.end; begin += kPieceSize) {
    WPACK_ASSIGN(const std::uint64_t found,
                 os::resident_bytes(fd, {begin, std::min(begin + kPieceSize, window.end)}));
    resident += found;
  }
  return resident;
}

}  // namespace

ByteRange Windows::next(std::uint64_t most) const {
  // A rest that is much shorter than what is wanted would be measured as a file that ends.
  const bool ends_soon = size_ - position_ < std::min(most, size_) / 4;
  const std::uint64_t begin = ends_soon ? 0 : position_;
  return {begin, std::min(begin + most, size_)};
}

Result<ByteRange> Windows::next_cold(std::uint64_t most) {
  std::uint64_t stayed = 0;
  // What other processes have mapped stays; they need not have mapped all of the file.
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const ByteRange window = next(most);
    file_.advise_dont_need(window.begin, window.size());
    WPACK_ASSIGN(stayed, resident_in(file_.fd(), window));
    if (stayed == 0) return window;
    read_up_to(window.end);
  }
  return Error(ErrorCode::kUnsupportedHost,
               fmt::format("{} bytes of {} that were to be dropped stay in the page cache", stayed,
                           std::min(most, size_)));
}

void Windows::drop_after(ByteRange window) const noexcept {
  file_.advise_dont_need(window.begin, window.size() + kReadahead);
}

}  // namespace wpack::tuning
