# How every target of wpack is compiled, and the one function that makes a layer.

add_library(wpack_warnings INTERFACE)
target_compile_features(wpack_warnings INTERFACE cxx_std_20)
target_compile_options(wpack_warnings INTERFACE -Wall -Wextra -Wconversion -Wshadow)
if(CMAKE_CXX_COMPILER_ID STREQUAL GNU AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
  # g++ 12 sees overlapping copies in `"text" + string`, where there are none (GCC bug 105651).
  target_compile_options(wpack_warnings INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wno-restrict>)
endif()
if(WPACK_WERROR)
  target_compile_options(wpack_warnings INTERFACE -Werror)
endif()

# The flags of all code that is ours: the warnings, and what the build is instrumented with.
add_library(wpack_flags INTERFACE)
target_link_libraries(wpack_flags INTERFACE wpack_warnings)
if(WPACK_SANITIZE)
  target_compile_options(wpack_flags INTERFACE -fsanitize=${WPACK_SANITIZE}
                         -fno-sanitize-recover=all -fno-omit-frame-pointer)
  target_link_options(wpack_flags INTERFACE -fsanitize=${WPACK_SANITIZE})
  # Instrumented code hides from g++ that a value was initialised; other builds keep the warning.
  target_compile_options(wpack_flags INTERFACE -Wno-uninitialized
                         $<$<CXX_COMPILER_ID:GNU>:-Wno-maybe-uninitialized>)
endif()
if(WPACK_COVERAGE)
  # Clang's counts are of the source's own conditions; g++ also counts a branch for every call that
  # might throw.
  target_compile_options(wpack_flags INTERFACE -fprofile-instr-generate -fcoverage-mapping)
  target_link_options(wpack_flags INTERFACE -fprofile-instr-generate)
endif()

# wpack_layer(NAME name SOURCES file... [DEPENDS layer...] [LIBRARIES target...])
#
# One folder of src/ as a static library `wpack_<name>`. It sees the public headers, src/, and
# links exactly the layers it names, so that an undeclared dependency does not link in its tests.
function(wpack_layer)
  cmake_parse_arguments(LAYER "" "NAME" "SOURCES;DEPENDS;LIBRARIES" ${ARGN})
  set(target wpack_${LAYER_NAME})
  add_library(${target} STATIC ${LAYER_SOURCES})
  set_target_properties(${target} PROPERTIES
    POSITION_INDEPENDENT_CODE ON
    CXX_EXTENSIONS OFF
    CXX_VISIBILITY_PRESET hidden
    VISIBILITY_INLINES_HIDDEN ON)
  target_include_directories(${target} PUBLIC ${PROJECT_SOURCE_DIR}/include
                             ${PROJECT_SOURCE_DIR}/src)
  list(TRANSFORM LAYER_DEPENDS PREPEND wpack_)
  target_link_libraries(${target} PUBLIC ${LAYER_DEPENDS} PRIVATE wpack_flags ${LAYER_LIBRARIES})
  set_property(GLOBAL APPEND PROPERTY WPACK_LAYERS ${target})
  set_property(GLOBAL APPEND PROPERTY WPACK_LAYER_LIBRARIES ${LAYER_LIBRARIES})
endfunction()
