#include "touch.h"

#include <bit>
#include <cstring>

namespace wpack::cli {

static_assert(std::endian::native == std::endian::little, "words are added up as they lie");

std::string_view to_string(Touch touch) noexcept {
  return touch == Touch::kPages ? "pages" : "bytes";
}

void touch_pages(Bytes bytes) noexcept {
  constexpr std::size_t kPageSize = 4096;
  const volatile std::byte* data = bytes.data();
  for (std::size_t i = 0; i < bytes.size(); i += kPageSize) (void)data[i];
  if (!bytes.empty()) (void)data[bytes.size() - 1];
}

std::uint64_t sum_words(Bytes bytes) noexcept {
  std::uint64_t sum = 0;
  std::uint64_t word = 0;
  const std::size_t whole = bytes.size() / sizeof word * sizeof word;
  // Copies of a constant size only, so that the loop runs at the speed of memory.
  for (std::size_t i = 0; i < whole; i += sizeof word) {
    std::memcpy(&word, bytes.data() + i, sizeof word);
    sum += word;
  }
  word = 0;
  if (whole < bytes.size()) std::memcpy(&word, bytes.data() + whole, bytes.size() - whole);
  return sum + word;
}

}  // namespace wpack::cli
