#!/usr/bin/env bash
# modules.sh TARGET_DIR - builds the transforms for both doors: TARGET_DIR/modules/*.wasm are core modules, modules/component/* components.
# A module that did not change is not touched, so that a running host sees no swap.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
names=() packages=()
for manifest in transforms/*/Cargo.toml; do
  name=$(basename "$(dirname "$manifest")")
  names+=("$name") packages+=(-p "$name")
done
build() { # TARGET FOLDER
  cargo build -q --profile guest --target "$1" "${packages[@]}"
  mkdir -p "$2"
  for name in "${names[@]}"; do
    cmp -s "$from/$1/guest/${name//-/_}.wasm" "$2/$name.wasm" || { cp "$from/$1/guest/${name//-/_}.wasm" "$2/.$name" && mv "$2/.$name" "$2/$name.wasm"; }
  done
}
from=$1
build wasm32-unknown-unknown "$1/modules"
build wasm32-wasip2 "$1/modules/component"
