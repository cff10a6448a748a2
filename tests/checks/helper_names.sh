#!/bin/bash
# Names in unnamed namespaces differ within a folder, as builds compile several files as one: of two
# functions one could stand in for the other, without a word where the arguments convert, and which
# files meet changes with every file that is added.
. "$(dirname "$0")/sources.sh"

shared=$(tracked_files 'src/*.cc' 'tools/*.cc' | xargs -d '\n' awk '
FNR == 1 { inside = 0 }
/^namespace \{$/ { inside = 1 }
/^\}  \/\/ namespace$/ { inside = 0 }
inside && /^[A-Za-z_]/ {
  name = $0
  if (name ~ /^(class|struct|enum)/) {
    sub(/^(class|struct|enum class|enum) /, "", name)
    sub(/[ :;{].*/, "", name)
  } else if (name ~ /^(static |inline )?(const|constexpr) [^(]*[={]/) {
    sub(/ *[={\[].*/, "", name)
    sub(/.*[ *&>]/, "", name)
  } else if (name ~ /\(/ && name !~ /^(using|static_assert)/) {
    sub(/\(.*/, "", name)
    sub(/.*[ *&>]/, "", name)
  } else {
    next
  }
  if (name == "" || name ~ /::/) next  # members of classes are told apart by their classes
  folder = FILENAME
  sub(/\/[^\/]*$/, "", folder)
  key = folder ": " name
  if (seen[key, FILENAME]++) next
  files[key] = files[key] " " FILENAME
  count[key]++
}
END { for (key in count) if (count[key] > 1) print key " in" files[key] }' | sort)
if [ -n "$shared" ]; then
  printf '%s\n' "$shared" '^ names of unnamed namespaces that files of a folder share' >&2
  exit 1
fi
