# Finds the optional libraries of the kernel's engines. Afterwards WPACK_LIBAIO and WPACK_LIBURING are
# what to link with, or empty, and then that engine is refused at run time:
#
#   cmake -DWPACK_WITH_LIBAIO=OFF -DWPACK_WITH_LIBURING=OFF   builds without them, wherever they are

option(WPACK_WITH_LIBAIO "Read with libaio, where it is found" ON)
option(WPACK_WITH_LIBURING "Read with io_uring, where liburing is found" ON)
set(WPACK_LIBAIO "")
set(WPACK_LIBURING "")
set(WPACK_ENGINE_REQUIRES "")  # for pkg-config
set(WPACK_ENGINE_LIBRARIES "")

if(WPACK_WITH_LIBAIO)  # which brings no file for pkg-config
  find_library(LIBAIO_LIBRARY aio)
  find_path(LIBAIO_INCLUDE_DIR libaio.h)
  mark_as_advanced(LIBAIO_LIBRARY LIBAIO_INCLUDE_DIR)
  if(LIBAIO_LIBRARY AND LIBAIO_INCLUDE_DIR)
    set(WPACK_LIBAIO aio)
    set(WPACK_ENGINE_LIBRARIES -laio)
  endif()
endif()
if(WPACK_WITH_LIBURING)
  pkg_check_modules(URING IMPORTED_TARGET liburing>=2.2)
  if(URING_FOUND)
    set(WPACK_LIBURING PkgConfig::URING)
    set(WPACK_ENGINE_REQUIRES liburing)
  endif()
endif()
message(STATUS "Engines: pread ${WPACK_LIBAIO} ${WPACK_ENGINE_REQUIRES}")
