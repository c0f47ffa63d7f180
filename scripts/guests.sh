#!/usr/bin/env bash
# guests.sh TARGET_DIR LANGUAGE - tests a language's SDK by its own means, and builds its conformance transform: TARGET_DIR/conformance/LANGUAGE.wasm.
# guest-sdk/LANGUAGE/check does both. What has not changed is taken from the cache.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
target=$(realpath -m "$1") language=$2 cache=$(realpath -m "${EDGEMILL_CACHE:-.cache}")/guests/modules
mkdir -p "$target/conformance" "$cache"
parts=(guest-sdk/"$language" guest-sdk/wit scripts/guests.sh scripts/toolchain.sh)
[ -d guest-sdk/conformance/"$language" ] && parts+=(guest-sdk/conformance/"$language")
# one SDK is around the other
[ "$language" = cpp ] && parts+=(guest-sdk/c)
hash=$(git ls-files -z --cached --others --exclude-standard -- "${parts[@]}" ':!guest-sdk/*/template/*' | sort -z | xargs -0 sha256sum | sha256sum | cut -c1-16)
kept=$cache/$language-$hash
if [ ! -d "$kept" ]; then
  echo "building and testing the SDK for $language" >&2
  made=$(mktemp -d "$cache/.making-XXXXXX")
  trap 'rm -rf "$made"' EXIT
  guest-sdk/"$language"/check "$made"
  # of the same language only the newest is kept
  rm -rf "$cache/$language"-* && mv "$made" "$kept"
fi
for module in "$kept"/*.wasm; do
  cmp -s "$module" "$target/conformance/$(basename "$module")" || cp "$module" "$target/conformance/"
done
