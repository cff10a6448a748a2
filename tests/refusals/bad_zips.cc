#include "refusals/tables.h"

namespace wpack::refusals {

using testing::ZipBuilder;

// Two members in one folder, written without and with a data descriptor.
ZipBuilder two_members() {
  ZipBuilder zip;
  zip.add("m/a", "first");
  zip.add("m/b", std::string(100, 'b')).descriptor = true;
  return zip;
}

std::vector<BadArchive> bad_zips() {
  return {
      {"no members", [](ZipBuilder& zip) { zip.entries.clear(); }, "no members"},
      {"a prefix", [](ZipBuilder& zip) { zip.prefix = "#!/bin/sh\n"; }, "before its first member"},
      {"a tail", [](ZipBuilder& zip) { zip.suffix = "x"; }, "not at the end"},
      {"a gap before the end", [](ZipBuilder& zip) { zip.gap = "x"; }, "does not end where"},
      {"a second volume", [](ZipBuilder& zip) { zip.disk = 1; }, "several volumes"},
      {"a member on another volume", [](ZipBuilder& zip) { zip.entries[0].disk = 1; },
       "several volumes"},
      {"too many entries", [](ZipBuilder& zip) { zip.entry_count = 3; },
       "too short for its entries"},
      {"too few entries", [](ZipBuilder& zip) { zip.entry_count = 1; }, "longer than its entries"},
      {"a directory outside", [](ZipBuilder& zip) { zip.directory_offset = 0xFFFFFF00; },
       "does not end where"},
      {"a huge directory", [](ZipBuilder& zip) { zip.directory_size = 0xFFFFFFF0; },
       "does not end where"},
      {"two end records that disagree",
       [](ZipBuilder& zip) {
         zip.zip64_end = true;
         zip.end64_entry_count = 1;
       },
       "two end records disagree"},
      {"a zip64 record elsewhere",
       [](ZipBuilder& zip) {
         zip.zip64_end = true;
         zip.end64_offset = 0;
       },
       "wrong signature"},
      {"a zip64 record outside",
       [](ZipBuilder& zip) {
         zip.zip64_end = true;
         zip.end64_offset = ~std::uint64_t{0} - 3;
       },
       "outside the file"},
      {"a zip64 record of a wrong size",
       [](ZipBuilder& zip) {
         zip.zip64_end = true;
         zip.end64_size = 1000;
       },
       "wrong size"},
      {"duplicate names", [](ZipBuilder& zip) { zip.entries[1].name = "m/a"; },
       "two members are called 'a'"},
      {"an encrypted member", [](ZipBuilder& zip) { zip.entries[1].flags = 1; }, "is encrypted"},
      {"odd flags", [](ZipBuilder& zip) { zip.entries[1].flags = 0x2000; }, "unsupported flags"},
      {"an unknown method", [](ZipBuilder& zip) { zip.entries[1].method = 12; },
       "compression method 12"},
      {"two methods", [](ZipBuilder& zip) { zip.entries[0].local_method = 8; },
       "another compression method"},
      {"two names", [](ZipBuilder& zip) { zip.entries[0].local_name = "m/z"; }, "another name"},
      {"two names of different length", [](ZipBuilder& zip) { zip.entries[0].local_name = "m/zz"; },
       "another name"},
      {"two sizes", [](ZipBuilder& zip) { zip.entries[0].local_size = 4; }, "another size or CRC"},
      {"two CRCs", [](ZipBuilder& zip) { zip.entries[0].local_crc = 4; }, "another size or CRC"},
      {"stored with different sizes", [](ZipBuilder& zip) { zip.entries[0].size = 6; },
       "two sizes differ"},
      {"a member past the directory",
       [](ZipBuilder& zip) {
         zip.entries[1].size = 5000;
         zip.entries[1].stored_size = 5000;
       },
       "overlaps"},
      {"a member into the next one",
       [](ZipBuilder& zip) {
         zip.entries[0].size = 6;
         zip.entries[0].stored_size = 6;
         zip.entries[0].local_size = 6;
       },
       "overlaps"},
      {"two members in one place",
       [](ZipBuilder& zip) {
         zip.entries[1].header_offset = 0;
         zip.entries[1].local_name = "m/b";
       },
       "overlaps"},
      {"a size that wraps around",
       [](ZipBuilder& zip) {
         zip.entries[1].zip64 = true;
         zip.entries[1].size = ~std::uint64_t{0};
         zip.entries[1].stored_size = ~std::uint64_t{0};
       },
       "overlaps"},
      {"an offset outside",
       [](ZipBuilder& zip) {
         zip.entries[1].zip64 = true;
         zip.entries[1].header_offset = ~std::uint64_t{0} - 7;
       },
       "outside the file"},
      {"no local header", [](ZipBuilder& zip) { zip.entries[1].local_signature = 0; },
       "no local header"},
      {"an empty name", [](ZipBuilder& zip) { zip.entries[0].name = ""; }, "empty name"},
      {"a parent directory", [](ZipBuilder& zip) { zip.entries[0].name = "m/../a"; },
       "unsafe name"},
      {"an absolute name", [](ZipBuilder& zip) { zip.entries[0].name = "/m/a"; }, "unsafe name"},
      {"a backslash", [](ZipBuilder& zip) { zip.entries[0].name = "m\\a"; }, "unsafe name"},
      {"a NUL", [](ZipBuilder& zip) { zip.entries[0].name = std::string("m/\0a", 4); },
       "unsafe name"},
      {"a directory with bytes", [](ZipBuilder& zip) { zip.entries[0].name = "m/a/"; },
       "is a directory that holds bytes"},
      {"an extra field that overruns",
       [](ZipBuilder& zip) { zip.entries[0].central_extra.assign("\1\0\xFF\0", 4); },
       "malformed extra field"},
      {"a second end record in the comment",
       [](ZipBuilder& zip) {
         const std::string whole = zip.build();
         zip.comment = whole.substr(whole.size() - 22) + "tail";
       },
       "not at the end"},
      {"an empty archive in the comment",
       [](ZipBuilder& zip) { zip.comment = ZipBuilder().build(); }, "does not end where"},
      {"a saturated count without a zip64 record",
       [](ZipBuilder& zip) { zip.entry_count = 0xFFFF; }, "too short for its entries"},
      {"a zip64 count of 2^63",
       [](ZipBuilder& zip) {
         zip.zip64_end = true;
         zip.entry_count = 0xFFFF;
         zip.end64_entry_count = std::uint64_t{1} << 63;
       },
       "is larger than is read", ErrorCode::kLimit},
      {"a zip64 field that is too short",
       [](ZipBuilder& zip) {
         zip.entries[1].size = 0xFFFFFFFF;
         zip.entries[1].central_extra.assign("\1\0\4\0abcd", 8);
       },
       "malformed extra field"},
      {"a saturated size without a zip64 field",
       [](ZipBuilder& zip) { zip.entries[1].size = 0xFFFFFFFF; }, "malformed extra field"},
      {"a local zip64 field that lies",
       [](ZipBuilder& zip) {
         zip.entries[0].local_size = 0xFFFFFFFF;
         zip.entries[0].local_extra.assign("\1\0\20\0\6\0\0\0\0\0\0\0\6\0\0\0\0\0\0\0", 20);
       },
       "another size or CRC"},
      {"strong encryption", [](ZipBuilder& zip) { zip.entries[0].flags = 0x40; },
       "unsupported flags 0x0040"},
      {"a masked local header", [](ZipBuilder& zip) { zip.entries[1].flags = 0x2001; },
       "is encrypted"},
      {"patched data", [](ZipBuilder& zip) { zip.entries[0].flags = 0x20; },
       "unsupported flags 0x0020"},
      {"two zip64 fields",
       [](ZipBuilder& zip) {
         zip.entries[0].zip64 = true;
         zip.entries[0].central_extra.assign("\1\0\0\0", 4);
       },
       "malformed extra field"},
  };
}

std::vector<BadArchive> bad_checkpoint_archives() {
  return {
      {"no version", [](auto& zip) { zip.entries.pop_back(); }, "no version"},
      {"version 0", [](auto& zip) { zip.entry("archive/version").data = "0\n"; }, "version '0'"},
      {"version 11", [](auto& zip) { zip.entry("archive/version").data = "11\n"; }, "version '11'"},
      {"version 3.5", [](auto& zip) { zip.entry("archive/version").data = "3.5"; },
       "version '3.5'"},
      {"version +3", [](auto& zip) { zip.entry("archive/version").data = "+3"; }, "version '+3'"},
      {"an empty version", [](auto& zip) { zip.entry("archive/version").data = ""; }, "version ''"},
      {"a huge version",
       [](auto& zip) { zip.entry("archive/version").data = std::string(65, '1'); }, "has 65 bytes"},
      {"an unknown byte order", [](auto& zip) { zip.add("archive/byteorder", "middle"); },
       "byte order 'middle'"},
      {"a padded byte order", [](auto& zip) { zip.add("archive/byteorder", "big\n"); },
       "byte order 'big\\x0a'"},
      {"no data.pkl", [](auto& zip) { zip.entries[0].name = "archive/data.pk"; },
       "has no data.pkl"},
      {"no folder", [](auto& zip) { zip.entries[0].name = "data.pkl"; }, "not in one folder"},
      {"TorchScript", [](auto& zip) { zip.add("archive/constants.pkl", ""); }, "TorchScript"},
      {"old TorchScript", [](auto& zip) { zip.add("archive/model.json", ""); },
       "TorchScript archive of PyTorch 1.0"},
      {"older TorchScript", [](auto& zip) { zip.add("archive/attributes.pkl", ""); },
       "TorchScript archive of PyTorch 1.0"},
      {"older torch.export",
       [](auto& zip) { zip.add("archive/serialized_exported_program.json", "{}"); },
       "torch.export"},
      {"torch.export", [](auto& zip) { zip.add("archive/archive_format", "pt2"); }, "torch.export"},
      {"torch.package", [](auto& zip) { zip.add("archive/.data/extern_modules", ""); },
       "torch.package"},
      {"npz", [](auto& zip) { zip.add("weights.npy", ""); }, "NumPy"},
      {"Keras", [](auto& zip) { zip.add("archive/model.weights.h5", ""); }, "Keras"},
      {"a damaged data.pkl", [](auto& zip) { zip.entries[0].crc = 1; }, "member 'data.pkl'",
       ErrorCode::kIntegrity},
      {"a deflated storage beyond the budget",
       [](auto& zip) {
         auto& entry = zip.entry("archive/data/0");
         entry.deflate = true;
         entry.size = std::uint64_t{33} << 20;
       },
       "budget of 33554432", ErrorCode::kLimit},
  };
}

std::vector<BadArchive> bad_payloads() {
  const auto& storage = [](ZipBuilder& zip) -> testing::ZipEntry& {
    return zip.entry("archive/data/0");
  };
  return {
      {"a wrong CRC of a storage", [=](ZipBuilder& zip) { storage(zip).crc = 1; },
       "member 'data/0' at offset", ErrorCode::kIntegrity},
      {"a CRC of 0 among others", [=](ZipBuilder& zip) { storage(zip).crc = 0; },
       "the archive says 00000000", ErrorCode::kIntegrity},
      {"a wrong CRC of a member that nothing uses",
       [](ZipBuilder& zip) {
         testing::ZipEntry& unused = zip.add("archive/unused", "bytes");
         unused.descriptor = true;
         unused.crc = 1;
       },
       "member 'unused' at offset", ErrorCode::kIntegrity},
      {"a wrong CRC of an empty member",
       [](ZipBuilder& zip) {
         testing::ZipEntry& empty = zip.add("archive/empty", "");
         empty.descriptor = true;
         empty.crc = 1;
       },
       "member 'empty'", ErrorCode::kIntegrity},
      {"a wrong CRC of a deflated storage",
       [=](ZipBuilder& zip) {
         storage(zip).deflate = true;
         storage(zip).crc = 1;
       },
       "the archive says 00000001", ErrorCode::kIntegrity},
      {"a storage that inflates to more",
       [=](ZipBuilder& zip) {
         storage(zip).data.append(1 << 20, 'x');
         storage(zip).deflate = true;
         storage(zip).size = 8;
       },
       "does not inflate to the 8 bytes", ErrorCode::kIntegrity},
      {"a storage that inflates to less",
       [=](ZipBuilder& zip) {
         storage(zip).data.resize(4);
         storage(zip).deflate = true;
         storage(zip).size = 8;
       },
       "does not inflate to the 8 bytes", ErrorCode::kIntegrity},
      {"a deflated storage that is damaged",
       [=](ZipBuilder& zip) {
         storage(zip).data = "\7" + std::string(60, 'd');
         storage(zip).method = 8;
         storage(zip).local_method = 8;
         storage(zip).size = 8;
       },
       "deflated data is damaged", ErrorCode::kIntegrity},
      {"a deflated storage with bytes behind its end",
       [=](ZipBuilder& zip) {
         const std::string data = storage(zip).data;
         storage(zip).data = testing::deflated(data) + "behind";
         storage(zip).method = 8;
         storage(zip).local_method = 8;
         storage(zip).size = 8;
       },
       "does not inflate to the 8 bytes", ErrorCode::kIntegrity},
  };
}

}  // namespace wpack::refusals
