#!/bin/bash
# Nothing is left to do in the tree, and nothing names the machine on which it was written.
. "$(dirname "$0")/sources.sh"
here=tests/checks/loose_ends.sh
text=$(tracked_files '*' | grep -vE "^(LICENSE|$here)$|^tests/(data|golden|golden_bad|fuzz)/")
found=0

search() {  # what, pattern
  if printf '%s\n' "$text" | xargs -d '\n' grep -nIE -e "$2" >&2; then
    echo "^ $1" >&2
    found=1
  fi
}
search "left to do" '\b(TODO|FIXME|XXX)\b'
search "a path of one machine" '(^|[^A-Za-z0-9_.$}])/(root|home|work|opt)/'
search "a registry's host" '://[^ ]*(pypi|debian\.org|npmjs)'
exit $found
