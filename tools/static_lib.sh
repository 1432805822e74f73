#!/bin/bash
# One archive of one object out of the archives of several modules, in which only the symbols that
# start with the prefix can be seen: what links it cannot clash with our inside.
#
#   tools/static_lib.sh OUTPUT PREFIX ARCHIVE...
set -euo pipefail
output=$1
prefix=$2
shift 2
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
object=$folder/$(basename "$output" .a).o
"${LD:-ld}" -r -o "$object" --whole-archive "$@"
"${OBJCOPY:-objcopy}" --wildcard --keep-global-symbol="$prefix*" "$object"
rm -f "$output"
"${AR:-ar}" rcsD "$output" "$object"
