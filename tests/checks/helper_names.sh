#!/bin/bash
# Names of functions in unnamed namespaces differ within a folder: builds that compile several files
# as one would let one stand in for another, without a word where the arguments convert.
. "$(dirname "$0")/sources.sh"

shared=$(tracked_files 'src/*.cc' 'tools/*.cc' | xargs -d '\n' awk '
FNR == 1 { inside = 0 }
/^namespace \{$/ { inside = 1 }
/^\}  \/\/ namespace$/ { inside = 0 }
inside && /^[A-Za-z_].*\(/ && !/^(using|struct|class|enum|static_assert)/ {
  name = $0
  sub(/\(.*/, "", name)
  sub(/.*[ *&>]/, "", name)
  if (name == "" || name ~ /::/) next  # members of classes are told apart by their classes
  folder = FILENAME
  sub(/\/[^\/]*$/, "", folder)
  key = folder ": " name "()"
  if (seen[key, FILENAME]++) next
  files[key] = files[key] " " FILENAME
  count[key]++
}
END { for (key in count) if (count[key] > 1) print key " in" files[key] }' | sort)
if [ -n "$shared" ]; then
  printf '%s\n' "$shared" '^ functions in unnamed namespaces that share a name' >&2
  exit 1
fi
