#!/bin/bash
# symbols.sh LIBRARY: the shared library defines symbols of wpack's public namespace alone.
. "$(dirname "$0")/sources.sh"
symbols=$(nm -DC --defined-only "$1" | cut -d' ' -f3-) || exit 1
[ -n "$symbols" ] || { echo "$1 defines no symbols" >&2; exit 1; }
layers=$(find src -mindepth 1 -maxdepth 1 -type d -printf '%f|')
public='^((typeinfo|typeinfo name|vtable|VTT) for )?wpack::'
outside=$(grep -vE "$public" <<<"$symbols")
inside=$(grep -E "${public}(${layers%|})::" <<<"$symbols")
[ -z "$outside$inside" ] && exit 0
printf '%s\n' "not part of the public interface, but visible in $1:" "$outside" "$inside" >&2
exit 1
