#!/bin/bash
# Every C++ file is as clang-format would write it.
. "$(dirname "$0")/sources.sh"
command -v clang-format >/dev/null || { echo "clang-format is not installed"; exit 77; }
tracked_files '*.h' '*.cc' '*.c' | xargs -d '\n' -r clang-format --dry-run -Werror
