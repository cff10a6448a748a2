#include "support/paths.h"

namespace wpack::testing {

std::filesystem::path source_directory() { return WPACK_SOURCE_DIR; }

std::filesystem::path test_data() { return source_directory() / "tests/data"; }

}  // namespace wpack::testing
