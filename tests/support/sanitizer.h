// Whether the library under test was built with a sanitizer, whose own memory and time are not
// wpack's.
#pragma once

namespace wpack::testing {

extern const bool kSanitized;

}  // namespace wpack::testing
