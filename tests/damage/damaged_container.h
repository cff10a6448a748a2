// A container small enough to be damaged in every place, and how a test damages its files in place.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "support/container_builder.h"
#include "support/result_matchers.h"
#include "support/temp_dir.h"
#include "wpack/container.h"
#include "wpack/verify.h"

namespace wpack::testing {

// Two shards of one page of payload each: layer `a` (two tensors with padding between them, and an
// empty one), layer `b` (a view into the first), two attachments in the second shard.
inline ContainerBuilder damaged_builder() {
  ContainerBuilder builder;
  builder.layer("a").tensor("a.x", pattern_bytes(300, 1)).tensor("a.y", pattern_bytes(700, 2));
  builder.tensor("a.none", {});
  builder.layer("b").view("b.x", "a.x", 100, 50);
  builder.new_shard().attachment("config.json", pattern_bytes(200, 3));
  builder.attachment("empty.txt", {});
  builder.contents().metadata = {{"format", "pt", {.type = 1, .origin = 1}}};
  builder.contents().sources = {{"model.bin", {.size = 7, .digest_high = 1, .digest_low = 2}}};
  return builder;
}

inline constexpr const char* kDamagedFiles[] = {"index.wpi", "00000.wps", "00001.wps"};

// A file that is changed in place.
class FileInPlace {
 public:
  explicit FileInPlace(const std::filesystem::path& path)
      : fd_(::open(path.c_str(), O_RDWR | O_CLOEXEC)), bytes_(read_file(path)) {
    if (fd_ < 0) throw std::runtime_error("cannot open " + path.string());
  }
  FileInPlace(const FileInPlace&) = delete;
  FileInPlace& operator=(const FileInPlace&) = delete;
  ~FileInPlace() { ::close(fd_); }

  // What it held when it was sound.
  [[nodiscard]] const std::string& bytes() const { return bytes_; }
  [[nodiscard]] std::uint64_t size() const { return bytes_.size(); }

  void write(std::uint64_t offset, const void* bytes, std::size_t size) const {
    if (::pwrite(fd_, bytes, size, static_cast<off_t>(offset)) != static_cast<ssize_t>(size))
      throw std::runtime_error("cannot change a file");
  }
  void flip_bit(std::uint64_t bit) const {
    const auto mask = static_cast<unsigned char>(1U << (bit % 8));
    const auto changed = static_cast<unsigned char>(bytes_[bit / 8]) ^ mask;
    write(bit / 8, &changed, 1);
  }
  void resize(std::uint64_t size) const {
    if (::ftruncate(fd_, static_cast<off_t>(size)) != 0)
      throw std::runtime_error("cannot resize a file");
  }
  void restore() const {
    resize(size());
    write(0, bytes_.data(), bytes_.size());
  }
  void restore_byte(std::uint64_t offset) const { write(offset, &bytes_[offset], 1); }

 private:
  int fd_;
  std::string bytes_;
};

class DamagedContainerTest : public ::testing::Test {
 protected:
  [[nodiscard]] std::filesystem::path file(const std::string& name) const {
    return std::filesystem::path(path_) / name;
  }

  TempDir directory_;
  std::string path_ = damaged_builder().build(directory_.path() / "m.wpack");
};

// How something went: the code of its error, or nullopt for success.
using Outcome = std::optional<ErrorCode>;

template <typename T>
Outcome outcome_of(const Result<T>& result) {
  return result ? Outcome() : Outcome(result.error().code());
}

inline Outcome open_outcome(const std::string& path) { return outcome_of(Container::open(path)); }

// What asking for everything that the container holds, with its checksums on, fails with first.
inline Outcome use_outcome(const std::string& path, AccessMode access) {
  const auto container = Container::open(path, {.verify = VerifyPolicy::kTouch, .access = access});
  if (!container) return container.error().code();
  for (std::uint32_t id = 0; id < container->tensor_count(); ++id) {
    if (const auto tensor = container->tensor(id); !tensor) return tensor.error().code();
  }
  for (const AttachmentInfo& attachment : container->attachments()) {
    if (const auto bytes = container->attachment(attachment.name); !bytes)
      return bytes.error().code();
  }
  return {};
}

// The gravest of what `verify` reports, as the command would exit.
inline Outcome verify_outcome(const std::string& path) {
  const auto report = verify(path);
  if (!report) return report.error().code();
  Outcome worst;
  for (const Error& fault : report->faults) {
    if (!worst || fault.code() == ErrorCode::kIntegrity) worst = fault.code();
  }
  return worst;
}

// For messages of tests.
inline std::string to_text(Outcome outcome) {
  return outcome ? std::string(to_string(*outcome)) : "success";
}

}  // namespace wpack::testing
