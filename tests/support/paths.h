// Where the tree lies that a test was built from.
#pragma once

#include <filesystem>

namespace wpack::testing {

// The root of the source tree.
[[nodiscard]] std::filesystem::path source_directory();

// The checked-in checkpoints.
[[nodiscard]] std::filesystem::path test_data();

}  // namespace wpack::testing
