#!/usr/bin/env bash
# rust.sh - installs the toolchain, components and Wasm targets that rust-toolchain.toml names, where one is missing.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
command -v rustup >/dev/null || { echo "missing: Rust by rustup" >&2; exit 1; }
complete() {
  export RUSTUP_AUTO_INSTALL=0
  cargo fmt --version && cargo clippy --version || return 1
  for target in $(sed -n 's/^targets = \[\(.*\)\]/\1/p' rust-toolchain.toml | tr -d '",'); do
    [ -d "$(rustc --print target-libdir --target "$target")" ] || return 1
  done
}
(complete) >/dev/null 2>&1 || rustup toolchain install --no-self-update
