#include "os/file_system_type.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>

namespace wpack {

std::string_view to_string(FileSystemKind kind) noexcept {
  switch (kind) {
    case FileSystemKind::kLocal:
      return "local";
    case FileSystemKind::kMemory:
      return "memory";
    case FileSystemKind::kNetwork:
      return "network";
    case FileSystemKind::kFuse:
      return "fuse";
    case FileSystemKind::kOverlay:
      return "overlay";
    case FileSystemKind::kUnknown:
      break;
  }
  return "unknown";
}

namespace os {
namespace {

struct Row {
  std::uint64_t magic;
  std::string_view type;
  FileSystemKind kind;
};

// From statfs(2), <linux/magic.h> and, for those outside of the kernel, their own sources.
constexpr Row kRows[] = {
    {0xEF53, "ext4", FileSystemKind::kLocal},
    {0x58465342, "xfs", FileSystemKind::kLocal},
    {0x9123683E, "btrfs", FileSystemKind::kLocal},
    {0xCA451A4E, "bcachefs", FileSystemKind::kLocal},
    {0xF2F52010, "f2fs", FileSystemKind::kLocal},
    {0x2FC12FC1, "zfs", FileSystemKind::kLocal},
    {0x73717368, "squashfs", FileSystemKind::kLocal},
    {0xE0F5E1E2, "erofs", FileSystemKind::kLocal},
    {0x9660, "iso9660", FileSystemKind::kLocal},
    {0x4D44, "vfat", FileSystemKind::kLocal},
    {0x2011BAB0, "exfat", FileSystemKind::kLocal},
    {0x7366746E, "ntfs3", FileSystemKind::kLocal},
    {0x01021994, "tmpfs", FileSystemKind::kMemory},
    {0x858458F6, "ramfs", FileSystemKind::kMemory},
    {0x958458F6, "hugetlbfs", FileSystemKind::kMemory},
    {0x6969, "nfs", FileSystemKind::kNetwork},
    {0xFF534D42, "cifs", FileSystemKind::kNetwork},
    {0xFE534D42, "smb3", FileSystemKind::kNetwork},
    {0x01021997, "9p", FileSystemKind::kNetwork},
    {0x00C36400, "ceph", FileSystemKind::kNetwork},
    {0x0BD00BD0, "lustre", FileSystemKind::kNetwork},
    {0x47504653, "gpfs", FileSystemKind::kNetwork},
    {0x19830326, "beegfs", FileSystemKind::kNetwork},
    {0x20030528, "orangefs", FileSystemKind::kNetwork},
    {0x01161970, "gfs2", FileSystemKind::kNetwork},
    {0x7461636F, "ocfs2", FileSystemKind::kNetwork},
    {0x5346414F, "afs", FileSystemKind::kNetwork},
    {0x65735546, "fuse", FileSystemKind::kFuse},
    {0x794C7630, "overlay", FileSystemKind::kOverlay},
};

}  // namespace

FileSystemInfo file_system_of(std::uint64_t magic) {
  const auto row = std::ranges::find(kRows, magic, &Row::magic);
  if (row == std::end(kRows)) return {fmt::format("{:#x}", magic), FileSystemKind::kUnknown};
  return {std::string(row->type), row->kind};
}

}  // namespace os
}  // namespace wpack
