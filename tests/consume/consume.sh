#!/bin/sh
# consume.sh BUILD_DIR WORK_DIR CXX STEP: installs BUILD_DIR and moves the result (step `install`),
# or builds and runs the project beside this script against it (the other steps).
set -eu
build_dir=$1 work_dir=$2 cxx=$3 step=$4
project=$(dirname "$0")/project
first=$work_dir/first_prefix
moved=$work_dir/moved_prefix
out=$work_dir/$step

fail() {
  echo "consume: $*" >&2
  exit 1
}

install_and_move() {
  rm -rf "$first" "$moved"
  cmake --install "$build_dir" --prefix "$first" >/dev/null
  mv "$first" "$moved"
  if grep -rIlF -e "$first" -e "$build_dir" "$moved"; then
    fail "these installed files name the place where they were built or first installed"
  fi
  for file in include/wpack/wpack.h share/doc/wpack/LICENSE bin/wpack share/man/man1/wpack.1; do
    [ -e "$moved/$file" ] || fail "$file is not installed"
  done
  "$moved/bin/wpack" --version
}

with_cmake() {
  cmake -S "$project" -B "$out" -DCMAKE_PREFIX_PATH="$moved" -DCMAKE_CXX_COMPILER="$cxx" \
    -DCONSUMED_LIBRARY="$1" >/dev/null
  cmake --build "$out" >/dev/null
  "$out/consumer" "$out"
}

with_pkg_config() {
  PKG_CONFIG_PATH=$(find "$moved" -type d -name pkgconfig)
  export PKG_CONFIG_PATH
  mkdir -p "$out"
  # shellcheck disable=SC2046  # one word an option
  "$cxx" -std=c++20 "$project/consumer.cc" $(pkg-config --cflags --libs "$1") -o "$out/consumer"
  LD_LIBRARY_PATH=$(pkg-config --variable=libdir "$1") "$out/consumer" "$out"
}

needs_shared_library() {
  ldd "$out/consumer" | grep -q libwpack || fail "the consumer does not use libwpack.so"
}

needs_no_shared_library() {
  ldd "$out/consumer" | grep libwpack && fail "the consumer uses libwpack.so"
  return 0
}

case $step in
  install) install_and_move ;;
  cmake_shared) with_cmake wpack::wpack; needs_shared_library ;;
  cmake_static) with_cmake wpack::static; needs_no_shared_library ;;
  pkgconfig_shared) with_pkg_config wpack; needs_shared_library ;;
  pkgconfig_static) with_pkg_config wpack-static; needs_no_shared_library ;;
  *) fail "unknown step $step" ;;
esac
