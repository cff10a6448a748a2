#!/bin/bash
# symbols.sh LIBRARY [--update]: the shared library defines symbols of wpack's public namespace
# alone, and exactly those that cmake/wpack.symbols lists; --update writes that list.
. "$(dirname "$0")/sources.sh"
list=cmake/wpack.symbols
symbols=$(nm -DC --defined-only "$1" | cut -d' ' -f2- | LC_ALL=C sort -k2) || exit 1
[ -n "$symbols" ] || { echo "$1 defines no symbols" >&2; exit 1; }
layers=$(find src -mindepth 1 -maxdepth 1 -type d -printf '%f|')
public='^[A-Z] ((typeinfo|typeinfo name|vtable|VTT) for )?wpack::'
outside=$(grep -vE "$public" <<<"$symbols")
inside=$(grep -E "${public}(${layers%|})::" <<<"$symbols")
if [ -n "$outside$inside" ]; then
  printf '%s\n' "not part of the public interface, but visible in $1:" "$outside" "$inside" >&2
  exit 1
fi
[ "${2-}" != --update ] || { printf '%s\n' "$symbols" >$list; exit 0; }
# Left: the list. Right: the library.
if ! diff $list - <<<"$symbols" >&2; then
  printf '%s\n' "the interface of $1 is not the one in $list; where that is meant:" \
    "  tests/checks/symbols.sh $1 --update" >&2
  exit 1
fi
