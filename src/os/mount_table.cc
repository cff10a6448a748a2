#include "os/mount_table.h"

#include <algorithm>
#include <optional>

#include "os/system_text.h"

namespace wpack::os {
namespace {

bool is_octal(char character) noexcept { return character >= '0' && character <= '7'; }

std::string decoded(std::string_view text) {
  std::string name;
  name.reserve(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool escape = text[i] == '\\' && text.size() - i > 3 && text[i + 1] <= '3' &&
                        std::all_of(text.begin() + static_cast<std::ptrdiff_t>(i) + 1,
                                    text.begin() + static_cast<std::ptrdiff_t>(i) + 4, is_octal);
    if (!escape) {
      name += text[i];
      continue;
    }
    name +=
        static_cast<char>((text[i + 1] - '0') * 64 + (text[i + 2] - '0') * 8 + text[i + 3] - '0');
    i += 3;
  }
  return name;
}

// id parent major:minor root point options [optional...] - type source super-options
std::optional<Mount> parse_line(std::string_view line) {
  const std::vector<std::string_view> fields = split_at(line, ' ');
  if (fields.size() < 10) return std::nullopt;
  const auto dash = std::find(fields.begin() + 6, fields.end(), "-");
  if (fields.end() - dash < 4) return std::nullopt;
  const auto id = parse_number(fields[0]);
  if (!id) return std::nullopt;
  return Mount{.id = *id,
               .device = std::string(fields[2]),
               .root = decoded(fields[3]),
               .point = decoded(fields[4]),
               .options = std::string(fields[5]),
               .type = std::string(dash[1]),
               .source = decoded(dash[2]),
               .super_options = std::string(dash[3])};
}

}  // namespace

std::vector<Mount> parse_mountinfo(std::string_view text) {
  std::vector<Mount> mounts;
  for (const std::string_view line : split_at(text, '\n')) {
    if (auto mount = parse_line(line)) mounts.push_back(*std::move(mount));
  }
  return mounts;
}

const Mount* find_mount(const std::vector<Mount>& mounts, std::uint64_t id,
                        std::string_view device) noexcept {
  const auto by_id = std::ranges::find(mounts, id, &Mount::id);
  if (by_id != mounts.end()) return &*by_id;
  const auto by_device = std::find_if(mounts.rbegin(), mounts.rend(),
                                      [&](const Mount& mount) { return mount.device == device; });
  return by_device == mounts.rend() ? nullptr : &*by_device;
}

}  // namespace wpack::os
