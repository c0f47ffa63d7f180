#!/usr/bin/env bash
# build.sh EDGEMILL TARGET_DIR [LANGUAGE...] - builds the transforms beside this file, each in a project that `edgemill new` makes and by the
# command that its README says: TARGET_DIR/bench-guests/LANGUAGE.wasm. What has not changed is taken from the cache; `make guests` comes before.
set -euo pipefail
edgemill=$(realpath "$1") target=$(realpath -m "$2")
shift 2
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
source scripts/toolchain.sh
use_cache
guests=$PWD/bench/guests kept=$guests_cache/bench
unset CARGO_TARGET_DIR
[ $# -gt 0 ] || set -- $(for language in "$guests"/*/; do basename "$language"; done)
mkdir -p "$target/bench-guests" "$kept"
for language in "$@"; do
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  "$edgemill" new "$work/pageviews" --lang "$language" >/dev/null
  cp -r "$guests/$language/." "$work/pageviews"
  # a fingerprint is another each time
  hash=$(cd "$work/pageviews" && find . -type f ! -name build.zig.zon -print0 | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16)
  if [ ! -e "$kept/$language-$hash.wasm" ]; then
    echo "building the transform in $language" >&2
    command=$(sed -n '/^```sh/{n;s/  #.*//;p;q}' "$work/pageviews/README.md")
    (cd "$work/pageviews" && sh -e -c "$command") >&2
    rm -f "$kept/$language"-*
    for folder in build zig-out/bin target/wasm32-unknown-unknown/release; do
      [ ! -e "$work/pageviews/$folder/pageviews.wasm" ] || cp "$work/pageviews/$folder/pageviews.wasm" "$kept/$language-$hash.wasm"
    done
  fi
  cp "$kept/$language-$hash.wasm" "$target/bench-guests/$language.wasm"
  rm -rf "$work"
  trap - EXIT
done
