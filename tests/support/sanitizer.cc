#include "support/sanitizer.h"

namespace wpack::testing {

const bool kSanitized = WPACK_SANITIZED;

}  // namespace wpack::testing
