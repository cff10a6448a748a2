// What was measured of reading from one disk (wpack/tune.h): kept in a file, and followed by later
// loads on the same kernel, device and file system.
//
//   auto profile = wpack::read_profile_from("profile.json");
//   OpenOptions options{.profile = *profile};            // followed where it fits, see plan
//
// The file is a JSON object; `comment` may hold any text, and nothing else is accepted. "direct",
// "buffered" and "first_touch_ns_per_mebibyte" (and either number in it) may be missing:
//
//   {"wpack_read_profile": 1, "comment": "",
//    "kernel": "6.1.0-18-amd64", "device": "254:0", "file_system": "ext4",
//    "direct": {"engine": "pread", "block_size": 1048576, "depth": 8},
//    "buffered": {"engine": "pread", "block_size": 2097152, "depth": 4},
//    "first_touch_ns_per_mebibyte": {"small_pages": 280000, "huge_pages": 90000}}
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "wpack/error.h"
#include "wpack/export.h"
#include "wpack/host.h"

namespace wpack {

// One way of reading: `depth` requests of `block_size` bytes in flight.
struct ReadShape {
  std::string engine;            // "io_uring", "libaio" or "pread"
  std::uint64_t block_size = 0;  // a multiple of 4,096 from 65,536 to 2^26
  std::uint32_t depth = 0;       // 1 to 64; of pread: threads
  friend bool operator==(const ReadShape&, const ReadShape&) = default;
};

// What the first write to fresh private memory costs one thread, in nanoseconds for each 2^20
// bytes: 1 to 10^9. Decides how many threads take it ahead of reads (ReadChoice::fault_threads).
struct FirstTouch {
  std::optional<std::uint64_t> small_pages = std::nullopt;
  std::optional<std::uint64_t> huge_pages = std::nullopt;  // where the kernel was asked for them
  friend bool operator==(const FirstTouch&, const FirstTouch&) = default;
};

struct ReadProfile {
  // Where it was measured, as HostFacts::kernel, FileFacts::device_number and
  // FileSystemInfo::type say it. Texts of 1 to 255 bytes; they may hold anything: escape them for a
  // terminal.
  std::string kernel;
  std::string device;
  std::string file_system;
  // How to read what is not in the page cache: past it, and through it. Unset: not measured.
  std::optional<ReadShape> direct = std::nullopt;
  std::optional<ReadShape> buffered = std::nullopt;
  FirstTouch first_touch = {};
  friend bool operator==(const ReadProfile&, const ReadProfile&) = default;
};

// The largest text that is parsed, in bytes.
inline constexpr std::uint64_t kMaxReadProfileSize = std::uint64_t{64} << 10;

// Parses the text of such a file. A pure function. Errors, with the key: kBadInput (not JSON, an
// unknown or missing key, a number out of its range, an engine that this version does not know),
// kLimit (a text of more than kMaxReadProfileSize bytes).
[[nodiscard]] WPACK_EXPORT Result<ReadProfile> parse_read_profile(std::string_view text);

// Reads and parses the file `path` (links are followed). Errors, with its name: those, and kIo.
[[nodiscard]] WPACK_EXPORT Result<ReadProfile> read_profile_from(const std::string& path);

// Returns the text of a file that parse_read_profile() reads as `profile`, whose texts are UTF-8. A
// pure function.
[[nodiscard]] WPACK_EXPORT std::string to_json(const ReadProfile& profile);

// Succeeds if the profile was measured on this kernel, device and file system. A pure function.
// Errors: kUnsupportedHost (it was not, or the facts are not known: the message says which).
[[nodiscard]] WPACK_EXPORT Status matches(const ReadProfile& profile, const HostFacts& host,
                                          const FileFacts& file);

}  // namespace wpack
