// Marks the functions and classes that the shared library makes visible. Everything else is
// compiled with hidden visibility.
#pragma once

#define WPACK_EXPORT [[gnu::visibility("default")]]
