// Every truncation and every single changed bit of small files, in this process, and a sample of
// them through the command. What is refused is refused in proper words; a changed bit may leave a
// good file (a letter of a name, a field that means nothing), and then all of it must make sense.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/utf8.h"
#include "refusals/judge.h"
#include "refusals/tables.h"
#include "support/memory_file.h"
#include "support/model_folder.h"
#include "support/paths.h"
#include "support/sanitizer.h"
#include "wpack/container.h"
#include "wpack/pack.h"
#include "wpack/tensor_source.h"
#include "wpack/verify.h"

namespace wpack::refusals {
namespace {

namespace fs = std::filesystem;
using testing::MemoryFile;

// Of how many cases one goes through the command.
const std::size_t kSample = testing::kSanitized ? 2000 : 200;

// A checkpoint with every kind of member.
std::string small_checkpoint() {
  testing::ZipBuilder zip = testing::small_zip();
  zip.zip64_end = true;
  zip.add("archive/deflated", std::string(100, 'z')).deflate = true;
  zip.add("archive/large", "zip64").zip64 = true;
  return zip.build();
}

std::string small_safetensors() {
  return testing::read_file(testing::test_data() / "safetensors/one_entry_metadata.safetensors");
}

void expect_sound(const SourceDescription& description) {
  std::set<std::string> names;
  for (const SourceTensor& tensor : description.tensors) {
    EXPECT_EQ(tensor_nbytes(tensor.dtype, tensor.shape), tensor.nbytes);
    EXPECT_TRUE(base::is_utf8(tensor.name) && !tensor.name.empty()) << tensor.name;
    EXPECT_TRUE(names.insert(tensor.name).second) << tensor.name;
    EXPECT_LE(tensor.nbytes, 1000U) << "more than the file holds";
  }
}

// Does with the source all that packing does, but write.
Status use_source(const std::string& path) {
  WPACK_ASSIGN(const auto source, open_tensor_source(path));
  const SourceDescription& description = source->description();
  expect_sound(description);
  WPACK_TRY(plan_pack(description));
  for (std::size_t i = 0; i < description.tensors.size(); ++i) {
    std::vector<std::byte> bytes(description.tensors[i].nbytes);
    WPACK_TRY(source->read(i, 0, bytes));
  }
  return source->finish({});
}

// Counts the cases of one file, so that a loop that judges nothing is noticed.
struct Tally {
  std::size_t refused = 0;
  std::size_t accepted = 0;
};

// A pickle that keeps its archive's checksum: else that would hide it.
std::string checkpoint_of(const std::string& pickle) {
  return testing::checkpoint_zip(pickle, {"abcdefgh"}).build();
}

// {"w": a tensor, "d": {"a": the same, "n": 7}, "text": "value"}
std::string small_tree() {
  return testing::PickleBuilder()
      .empty_dict()
      .weight("w")
      .open("d")
      .weight("a")
      .key("n")
      .integer(7)
      .set_item()
      .close()
      .key("text")
      .string("value")
      .set_item()
      .stop();
}

void judge_use(const Status& status, Tally& tally) {
  ++(status ? tally.accepted : tally.refused);
  if (!status) expect_well_formed(status.error());
}

Tally flip_every_bit(const std::string& whole) {
  Tally tally;
  const MemoryFile file(whole);
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    SCOPED_TRACE(fmt::format("bit {}", bit));
    const char byte = whole[bit / 8];
    file.write_byte(bit / 8, static_cast<char>(byte ^ (1 << bit % 8)));
    judge_use(use_source(file.path()), tally);
    file.write_byte(bit / 8, byte);
  }
  return tally;
}

Tally cut_everywhere(const std::string& whole) {
  Tally tally;
  const MemoryFile file(whole);
  EXPECT_TRUE(use_source(file.path()).has_value());
  for (std::size_t size = whole.size(); size-- > 0;) {
    SCOPED_TRACE(fmt::format("{} bytes", size));
    file.resize(size);
    judge_use(use_source(file.path()), tally);
  }
  return tally;
}

TEST(ExhaustiveTest, RejectsEveryTruncationOfACheckpoint) {
  EXPECT_EQ(cut_everywhere(small_checkpoint()).accepted, 0U);
}

TEST(ExhaustiveTest, RejectsEveryTruncationOfASafetensorsFile) {
  EXPECT_EQ(cut_everywhere(small_safetensors()).accepted, 0U);
}

TEST(ExhaustiveTest, SurvivesEveryChangedBitOfACheckpoint) {
  const std::string whole = small_checkpoint();
  const Tally tally = flip_every_bit(whole);
  // Times, versions, attributes and data descriptors mean nothing here.
  EXPECT_GT(tally.refused, whole.size() * 8 / 2);
}

TEST(ExhaustiveTest, SurvivesEveryChangedBitOfASafetensorsFile) {
  const std::string whole = small_safetensors();
  const Tally tally = flip_every_bit(whole);
  EXPECT_GT(tally.refused, std::size_t{64} + 8);  // the length, and more
  EXPECT_GT(tally.accepted, 64U);                 // the payload
}

TEST(ExhaustiveTest, RejectsEveryTruncationOfAPickle) {
  const std::string whole = small_tree();
  Tally tally;
  judge_use(use_source(MemoryFile(checkpoint_of(whole)).path()), tally);
  EXPECT_EQ(tally.accepted, 1U);
  for (std::size_t size = 0; size < whole.size(); ++size) {
    SCOPED_TRACE(fmt::format("{} bytes", size));
    judge_use(use_source(MemoryFile(checkpoint_of(whole.substr(0, size))).path()), tally);
  }
  EXPECT_EQ(tally.accepted, 1U);
}

TEST(ExhaustiveTest, SurvivesEveryChangedBitOfAPickle) {
  const std::string whole = small_tree();
  Tally tally;
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    SCOPED_TRACE(fmt::format("bit {}", bit));
    std::string changed = whole;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    judge_use(use_source(MemoryFile(checkpoint_of(changed)).path()), tally);
  }
  EXPECT_GT(tally.refused, whole.size() * 8 / 2);
  EXPECT_GT(tally.accepted, 40U);  // letters of names and texts
}

// In a folder, whose file it names.
void judge_index(const testing::ModelFolder& folder, const std::string& text, Tally& tally) {
  std::ofstream(folder.file(testing::kIndexName), std::ios::binary) << text;
  judge_use(use_source(folder.file(testing::kIndexName)), tally);
}

TEST(ExhaustiveTest, RejectsTruncationsAndChangedBitsOfAnIndexOfFiles) {
  const testing::TempDir directory = testing::TempDir::in_memory();
  testing::ModelFolder folder(directory.path());
  folder.shard("m-1.safetensors", {{"a", "aaaa"}, {"b", "bb"}});
  const std::string whole = folder.index.dump();
  Tally cut;
  for (std::size_t size = 0; size < whole.size(); ++size) {
    SCOPED_TRACE(fmt::format("{} bytes", size));
    judge_index(folder, whole.substr(0, size), cut);
  }
  EXPECT_EQ(cut.accepted, 0U);
  Tally flipped;
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    SCOPED_TRACE(fmt::format("bit {}", bit));
    std::string changed = whole;
    changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
    judge_index(folder, changed, flipped);
  }
  EXPECT_GT(flipped.refused, whole.size() * 8 / 4);
  EXPECT_GT(flipped.accepted, 0U);  // digits of total_size, letters of "metadata"
}

// Packs a file that may be broken or not: refused, or a container that is sound and whole.
void judge_pack(const Judge& judge, const std::string& bytes) {
  judge.write("odd.file", bytes);
  const Outcome outcome = judge.run({"pack", "@/odd.file", "-o", "@/odd.wpack"});
  if (outcome.status != 0) {
    EXPECT_FALSE(fs::exists(judge.file("odd.wpack")));
    const bool pinned = outcome.status >= 3 && outcome.status <= 6;
    EXPECT_TRUE(pinned) << outcome.status;
    judge.expect_refusal({"pack", "@/odd.file", "-o", "@/odd.wpack", "--json"},
                         {outcome.status, {judge.file("odd.file")}});
    return;
  }
  judge.expect_success({"verify", "@/odd.wpack"});
  judge.expect_success({"unpack", "@/odd.wpack", "-o", "@/odd.pth", "--force"});
  fs::remove_all(judge.file("odd.wpack"));
  judge.expect_success({"pack", "@/odd.pth", "-o", "@/again.wpack", "--force"});
}

TEST(ExhaustiveTest, JudgesASampleOfDamagedSourcesThroughTheCommand) {
  const Judge judge;
  for (const std::string& whole : {small_checkpoint(), small_safetensors()}) {
    for (std::size_t bit = 0; bit < whole.size() * 8; bit += kSample / 4 + 1) {
      SCOPED_TRACE(fmt::format("bit {}", bit));
      std::string changed = whole;
      changed[bit / 8] = static_cast<char>(changed[bit / 8] ^ (1 << bit % 8));
      judge_pack(judge, changed);
    }
    for (std::size_t size = 0; size < whole.size(); size += kSample / 8 + 1) {
      SCOPED_TRACE(fmt::format("{} bytes", size));
      judge_pack(judge, whole.substr(0, size));
    }
  }
}

// Everything that reads a container: opens it, loads every layer with every byte checked.
Status use_container(const std::string& path) {
  WPACK_ASSIGN(const Container container, Container::open(path, {.verify = VerifyPolicy::kTouch}));
  for (const Layer& layer : container.layers()) WPACK_TRY(layer.acquire());
  return {};
}

// A copy of the smallest golden container, one file of which is damaged in turn.
class DamagedContainer {
 public:
  explicit DamagedContainer(const char* file)
      : bytes_(
            testing::read_file(testing::source_directory() / "tests/golden/minimal.wpack" / file)),
        file_(judge.file("m.wpack") + "/" + file) {
    fs::copy(testing::source_directory() / "tests/golden/minimal.wpack", judge.file("m.wpack"));
    fs::permissions(file_, fs::perms::owner_all);
  }

  [[nodiscard]] const std::string& bytes() const { return bytes_; }
  [[nodiscard]] std::string path() const { return judge.file("m.wpack"); }
  void write_byte(std::size_t offset, char byte) const {
    std::fstream file(file_, std::ios::binary | std::ios::in | std::ios::out);
    file.seekp(static_cast<std::streamoff>(offset));
    file.put(byte);
  }
  void cut(std::size_t size) const { fs::resize_file(file_, size); }

  const Judge judge;

 private:
  std::string bytes_;
  std::string file_;
};

// Loading does not look at padding; verifying finds everything.
void judge_container(const DamagedContainer& container, Tally& tally) {
  const Status status = use_container(container.path());
  judge_use(status, tally);
  const auto report = verify(container.path());
  if (!report) return expect_well_formed(report.error());
  for (const Error& fault : report->faults) expect_well_formed(fault);
  EXPECT_FALSE(report->faults.empty());
}

// Runs every command on the container, and expects of each that its status is one of these.
void judge_commands(const DamagedContainer& container, const std::set<int>& statuses) {
  const std::vector<Arguments> commands = {{"ls", "@/m.wpack"},
                                           {"inspect", "@/m.wpack"},
                                           {"verify", "@/m.wpack", "--json"},
                                           {"load", "@/m.wpack", "--verify", "touch"},
                                           {"unpack", "@/m.wpack", "-o", "@/m.pth"}};
  for (const Arguments& command : commands) {
    const Outcome outcome = container.judge.run(command);
    EXPECT_TRUE(statuses.contains(outcome.status)) << command.front() << ": " << outcome.err;
    if (outcome.status == 0) {
      fs::remove(container.judge.file("m.pth"));
    } else {
      container.judge.expect_refusal(command, {outcome.status, {"m.wpack"}});
    }
  }
}

Tally cut_container(const char* file, std::set<int> statuses) {
  Tally tally;
  const DamagedContainer container(file);
  EXPECT_TRUE(use_container(container.path()).has_value());
  for (std::size_t size = container.bytes().size(); size-- > 0;) {
    SCOPED_TRACE(fmt::format("{} bytes of {}", size, file));
    container.cut(size);
    judge_container(container, tally);
    if (size % (kSample * 4) == 0) judge_commands(container, statuses);
  }
  return tally;
}

// The bytes that are not zero are all that a header says.
Tally flip_container(const char* file, std::set<int> statuses) {
  Tally tally;
  const DamagedContainer container(file);
  std::size_t turn = 0;
  for (std::size_t at = 0; at < container.bytes().size(); ++at) {
    const char byte = container.bytes()[at];
    if (byte == '\0' && at % 64 != 0) continue;
    for (int bit = 0; bit < 8; ++bit) {
      SCOPED_TRACE(fmt::format("bit {} of byte {} of {}", bit, at, file));
      container.write_byte(at, static_cast<char>(byte ^ (1 << bit)));
      judge_container(container, tally);
      if (++turn % kSample == 0) judge_commands(container, statuses);
    }
    container.write_byte(at, byte);
  }
  return tally;
}

TEST(ExhaustiveTest, RejectsEveryTruncationOfAnIndex) {
  EXPECT_EQ(cut_container("index.wpi", {3, 4}).accepted, 0U);
}

TEST(ExhaustiveTest, RejectsEveryTruncationOfAShard) {
  EXPECT_EQ(cut_container("00000.wps", {0, 3, 4}).accepted, 0U);
}

TEST(ExhaustiveTest, RejectsChangedBitsOfAnIndex) {
  EXPECT_EQ(flip_container("index.wpi", {3, 4}).accepted, 0U);
}

TEST(ExhaustiveTest, RejectsChangedBitsOfAShard) {
  const Tally tally = flip_container("00000.wps", {0, 3, 4});
  EXPECT_GT(tally.refused, 0U);
}

}  // namespace
}  // namespace wpack::refusals
