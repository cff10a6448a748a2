#!/bin/bash
# Checks every #include against the table of layers (CONTRIBUTING.md shows it), that each kind of
# code keeps to its room, and that headers may be included twice.
set -u
. "$(dirname "$0")/sources.sh"

declare -A may_include=(
  [base]=""
  [os]="base"
  [io]="base os"
  [staging]="base os"
  [folder]="base"
  [parallel]="base"
  [format]="base"
  [codec]="base"
  [import]="base os folder"
  [export]="base os folder"
  [pack]="base format codec os"
  [load]="base format codec os"
  [tune]="base os load"
  [api]="base os folder parallel format codec io staging import export pack load tune"
)
faults=0
fault() {
  echo "$1: $2" >&2
  faults=$((faults + 1))
}

# Prints "line:name" of every #include "name" (or <name>, with `angle`) of a file.
quoted() { sed -nE 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"([^"]*)".*/\1/p' "$1"; }
angle() { sed -nE 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*<([^>]*)>.*/\1/p' "$1"; }

while IFS= read -r file; do
  layer=${file#src/}
  layer=${layer%%/*}
  [[ -v may_include[$layer] ]] || { fault "$file" "'$layer' is not a layer"; continue; }
  while IFS= read -r name; do
    other=${name%%/*}
    [[ $name == wpack/* && -f include/$name ]] && continue
    [[ $name != */* ]] && continue  # generated beside the source
    [[ " $layer ${may_include[$layer]} " == *" $other "* ]] && continue
    fault "$file" "src/$layer may not include \"$name\""
  done < <(quoted "$file")
  while IFS= read -r name; do
    case $name in
      fmt/*) [[ $file == *.h ]] && fault "$file" "<$name> belongs in .cc files" ;;
      sys/* | unistd.h | fcntl.h | pthread.h | linux/*)
        [[ $layer =~ ^(os|io|staging)$ ]] || fault "$file" "system calls (<$name>) belong in src/os" ;;
      iostream) fault "$file" "the library prints nothing" ;;
    esac
  done < <(angle "$file")
  if grep -nE '\b(printf|fprintf|puts|getenv|setenv)\(|\bfmt::print\b|\bstd::(cout|cerr|exit|abort)\b' \
    "$file" >&2; then
    fault "$file" "the library prints nothing, reads no environment and does not exit"
  fi
done < <(tracked_files 'src/*.h' 'src/*.cc')

while IFS= read -r file; do
  while IFS= read -r name; do
    [[ $name == wpack/* && -f include/$name ]] || fault "$file" "may not include \"$name\""
  done < <(quoted "$file")
  while IFS= read -r name; do
    [[ $name == */* || $name == *.h ]] && fault "$file" "public headers need only C++: <$name>"
  done < <(angle "$file")
done < <(tracked_files 'include/*.h')

while IFS= read -r file; do
  while IFS= read -r name; do
    [[ $name == wpack/* && -f include/$name ]] && continue
    [[ -f tools/$name || -f tools/wpack/$name ]] && continue
    fault "$file" "tools include the public headers alone, not \"$name\""
  done < <(quoted "$file")
done < <(tracked_files 'tools/*.h' 'tools/*.cc')

while IFS= read -r file; do
  [ "$(grep -c '^#pragma once$' "$file")" -eq 1 ] || fault "$file" "has no #pragma once"
done < <(tracked_files '*.h')

[ "$faults" -eq 0 ]
