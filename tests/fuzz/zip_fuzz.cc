// The zip reader: an input is an archive. Members of an accepted archive lie inside the file and
// apart from each other; reading them gives what their CRC-32 says, or a refusal.
#include <libdeflate.h>

#include <algorithm>
#include <set>

#include "base/checked_math.h"
#include "fuzz_target.h"
#include "import/detect.h"
#include "import/torch/foreign_archive.h"
#include "import/torch/member_reader.h"
#include "import/torch/zip_archive.h"
#include "memory_files.h"
#include "property.h"

namespace wpack::fuzz {
namespace {

using import::ZipArchive;
using import::ZipMember;

constexpr const char* kPath = "/memory/model.pt";
constexpr std::uint64_t kInflateBudget = 1 << 20;

void require_sound(const ZipArchive& archive, std::uint64_t file_size) {
  const auto members = archive.members();
  std::set<std::string_view> names;
  std::uint64_t end = 0;
  for (const ZipMember& member : members) {
    require(!member.name.empty() && member.name.front() != '/' &&
                member.name.find('\0') == std::string_view::npos &&
                ('/' + std::string(member.name)).find("/../") == std::string::npos,
            "a name is that of a file below the archive");
    require(names.insert(member.name).second, "names are unique");
    require(archive.find(member.name) == &member, "a member is found by its name");
    require(member.header_begin >= end && member.header_begin < member.data_begin,
            "members do not overlap");
    require(base::range_within(member.data_begin, member.stored_size, file_size),
            "a member lies inside the file");
    require(member.deflated || member.size == member.stored_size, "a stored member has one size");
    end = member.data_begin + member.stored_size;
  }
  require(base::range_within(end, archive.directory().size(), file_size),
          "the directory lies behind the members");
  require(archive.find("no member\n") == nullptr, "a name that is not there is not found");
}

void require_sound_detection(Bytes file) {
  const Bytes front = file.first(std::min<std::size_t>(file.size(), import::kDetectSize));
  const import::Detection detection = import::detect_file(front, file.size());
  require((detection.format == import::FileFormat::kRefused) == !detection.refusal.empty(),
          "a refused file has a reason");
  require_one_line(detection.refusal, "a reason");
}

// Whole and in two pieces, a member's bytes are the same, and its CRC-32 is that of the archive.
void read_member(import::MemberReader& reader, const ZipMember& member) {
  if (member.size > kInflateBudget) return;
  const auto whole = reader.read_whole(member);
  if (!whole) return require_refusal(whole.error());
  require(whole->size() == member.size, "a member has as many bytes as the archive says");
  const std::uint32_t crc = libdeflate_crc32(0, whole->data(), whole->size());
  const bool checked = member.deflated || !whole->empty();
  require(reader.unchecked() || !checked || crc == member.crc32,
          "bytes that come back are checked");
  std::vector<std::byte> pieces(whole->size());
  const std::size_t half = pieces.size() / 2;
  const Status first = reader.read(member, 0, MutableBytes(pieces).first(half));
  const Status second = reader.read(member, half, MutableBytes(pieces).subspan(half));
  if (!first) return require_refusal(first.error());
  if (!second) return require_refusal(second.error());
  require(pieces == *whole, "a member reads the same in pieces");
}

void run(Bytes bytes) {
  require_sound_detection(bytes);
  write_memory_file(kPath, bytes);
  const auto file = os::File::open_read(kPath);
  const auto identity = file->identity();
  import::MemoryMeter meter;
  const auto archive = ZipArchive::open(*file, bytes.size(), meter);
  if (!archive) return require_refusal(archive.error());
  require_sound(*archive, bytes.size());
  (void)import::foreign_archive_kind(*archive);
  import::InflateWork work(kInflateBudget);
  import::MemberReader reader(*file, *archive, *identity, kInflateBudget, work);
  if (const Status fits = reader.check_budget(); !fits) require_refusal(fits.error());
  for (const ZipMember& member : archive->members()) read_member(reader, member);
  if (const Status finished = reader.finish({}); !finished) require_refusal(finished.error());
}

}  // namespace
}  // namespace wpack::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  wpack::fuzz::run({reinterpret_cast<const std::byte*>(data), size});
  wpack::fuzz::require(wpack::fuzz::reset_memory_files() == 0, "everything is closed");
  return 0;
}
