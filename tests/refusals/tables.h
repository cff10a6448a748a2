// Tables of inputs that are refused: what is wrong, how the bytes are made, the code, and what the
// message says. The tests of each parser run them on it, and the tests of refusals run them, as
// whole files, through the command.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "support/checkpoint_builder.h"
#include "wpack/error.h"

namespace wpack::refusals {

// A pickle that the machine refuses.
struct BadPickle {
  const char* what;
  std::string pickle;
  const char* part;
  ErrorCode code = ErrorCode::kBadInput;
};
[[nodiscard]] std::vector<BadPickle> bad_pickles();
// Checkpoints that hold the name of something that runs code, each called beside a good tensor.
[[nodiscard]] std::vector<BadPickle> acting_pickles();
// Ways to call, build or name what should not be.
[[nodiscard]] std::vector<BadPickle> tricky_pickles();

// What makes an archive bad.
struct BadArchive {
  const char* what;
  std::function<void(testing::ZipBuilder&)> change;
  const char* part;
  ErrorCode code = ErrorCode::kBadInput;
};
// Two members in one folder, written without and with a data descriptor, and changes of it that no
// reader of zip archives should accept.
[[nodiscard]] testing::ZipBuilder two_members();
[[nodiscard]] std::vector<BadArchive> bad_zips();
// Changes of testing::small_zip() that leave a good archive, but no checkpoint.
[[nodiscard]] std::vector<BadArchive> bad_checkpoint_archives();
// Changes of testing::small_zip() that only reading the payload shows.
[[nodiscard]] std::vector<BadArchive> bad_payloads();

// What a pickle holds that is sound as a pickle, but not as a checkpoint.
struct BadValue {
  const char* what;
  std::function<void(testing::PickleBuilder&)> add;
  const char* part;
  ErrorCode code = ErrorCode::kBadInput;
};
// Values for testing::holding().
[[nodiscard]] std::vector<BadValue> bad_tensors();
// Items for the dictionary that is the root.
[[nodiscard]] std::vector<BadValue> bad_trees();

// The header of a safetensors file.
struct BadHeader {
  std::string label;
  std::string text;
  std::string part;  // of the message
  std::uint64_t payload_size = 4;
  ErrorCode code = ErrorCode::kBadInput;
};
[[nodiscard]] std::vector<BadHeader> broken_json();
[[nodiscard]] std::vector<BadHeader> wrong_structure();
[[nodiscard]] std::vector<BadHeader> wrong_metadata();
[[nodiscard]] std::vector<BadHeader> wrong_tensors();
[[nodiscard]] std::vector<BadHeader> wrong_layout();

}  // namespace wpack::refusals
