#include "export/zip_layout.h"

#include <gtest/gtest.h>

#include <cstring>

namespace wpack::exporting {
namespace {

template <typename T>
T field(const std::string& bytes, std::size_t at) {
  T value{};
  if (at + sizeof(T) <= bytes.size()) std::memcpy(&value, bytes.data() + at, sizeof(T));
  return value;
}

TEST(ZipLayoutTest, AlignsTheDataOfEveryMember) {
  std::vector<ZipMember> members(70);
  for (std::size_t i = 0; i < members.size(); ++i)
    members[i] = {.name = std::string(i + 1, 'n'), .size = i * 5};
  std::uint64_t end = 0;
  const std::uint64_t directory = place_members(members, 64);
  for (const ZipMember& member : members) {
    EXPECT_EQ(member.header_position, end);
    EXPECT_EQ(member.data_position % 64, 0U);
    EXPECT_EQ(local_header(member).size(), member.data_position - member.header_position);
    end = member.data_position + member.size;
  }
  EXPECT_EQ(directory, end);
}

TEST(ZipLayoutTest, WritesSizesAndChecksumIntoTheLocalHeader) {
  std::vector<ZipMember> members = {{.name = "a/b", .size = 7, .crc32 = 0x12345678}};
  (void)place_members(members, 64);
  const std::string header = local_header(members[0]);
  EXPECT_EQ(field<std::uint32_t>(header, 0), 0x04034b50U);
  EXPECT_EQ(field<std::uint16_t>(header, 6) & 8U, 0U);  // no data descriptor
  EXPECT_EQ(field<std::uint32_t>(header, 14), 0x12345678U);
  EXPECT_EQ(field<std::uint32_t>(header, 18), 7U);
  EXPECT_EQ(field<std::uint32_t>(header, 22), 7U);
  EXPECT_EQ(field<std::uint16_t>(header, 28), header.size() - 33);
  EXPECT_EQ(header.substr(30, 3), "a/b");
  EXPECT_EQ(header.substr(33, 2), "FB");
  EXPECT_EQ(field<std::uint16_t>(header, 35), header.size() - 37);
}

TEST(ZipLayoutTest, MovesSizesAndOffsetsPast32BitsIntoZip64Fields) {
  constexpr std::uint64_t kHuge = std::uint64_t{5} << 32;
  std::vector<ZipMember> members = {{.name = "a", .size = kHuge}, {.name = "b", .size = 3}};
  const std::uint64_t position = place_members(members, 64);
  EXPECT_EQ(members[1].header_position, 64 + kHuge);
  const std::string header = local_header(members[0]);
  EXPECT_EQ(header.size(), 64U);
  EXPECT_EQ(field<std::uint32_t>(header, 18), 0xFFFFFFFFU);
  EXPECT_EQ(field<std::uint16_t>(header, 31), 1U);
  EXPECT_EQ(field<std::uint64_t>(header, 35), kHuge);
  EXPECT_EQ(field<std::uint64_t>(header, 43), kHuge);

  const std::string directory = central_directory(members, position);
  EXPECT_EQ(field<std::uint32_t>(directory, 20), 0xFFFFFFFFU);
  EXPECT_EQ(field<std::uint16_t>(directory, 30), 20U);  // sizes, no offset
  EXPECT_EQ(field<std::uint64_t>(directory, 51), kHuge);
  const std::size_t second = 46 + 1 + 20;
  EXPECT_EQ(field<std::uint32_t>(directory, second), 0x02014b50U);
  EXPECT_EQ(field<std::uint32_t>(directory, second + 20), 3U);
  EXPECT_EQ(field<std::uint32_t>(directory, second + 42), 0xFFFFFFFFU);
  EXPECT_EQ(field<std::uint16_t>(directory, second + 30), 12U);  // the offset alone
  EXPECT_EQ(field<std::uint64_t>(directory, second + 51), 64 + kHuge);
}

TEST(ZipLayoutTest, EndsWithBothEndRecords) {
  std::vector<ZipMember> members = {{.name = "a", .size = 3}};
  const std::uint64_t position = place_members(members, 64);
  const std::string directory = central_directory(members, position);
  const std::size_t end = directory.size() - 22;
  EXPECT_EQ(field<std::uint32_t>(directory, end), 0x06054b50U);
  EXPECT_EQ(field<std::uint16_t>(directory, end + 10), 1U);
  EXPECT_EQ(field<std::uint32_t>(directory, end + 12), 47U);
  EXPECT_EQ(field<std::uint32_t>(directory, end + 16), position);
  EXPECT_EQ(field<std::uint32_t>(directory, end - 20), 0x07064b50U);
  EXPECT_EQ(field<std::uint64_t>(directory, end - 12), position + 47);
  EXPECT_EQ(field<std::uint32_t>(directory, 47), 0x06064b50U);
  EXPECT_EQ(field<std::uint64_t>(directory, 47 + 32), 1U);
}

TEST(ZipLayoutTest, CountsMembersPast16BitsInTheZip64Record) {
  std::vector<ZipMember> members(70'000, ZipMember{.name = "n"});
  const std::uint64_t position = place_members(members, 64);
  const std::string directory = central_directory(members, position);
  const std::size_t end = directory.size() - 22;
  EXPECT_EQ(field<std::uint16_t>(directory, end + 10), 0xFFFFU);
  EXPECT_EQ(field<std::uint64_t>(directory, end - 20 - 56 + 32), 70'000U);
}

}  // namespace
}  // namespace wpack::exporting
