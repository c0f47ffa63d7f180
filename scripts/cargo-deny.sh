#!/usr/bin/env bash
# cargo-deny.sh - builds cargo-deny into $EDGEMILL_CACHE/bin, where it is missing. Unoptimised: it runs for a second.
set -euo pipefail
version=0.20.2
"$EDGEMILL_CACHE/bin/cargo-deny" --version 2>/dev/null | grep -q " $version$" && exit 0
export CARGO_TARGET_DIR=$EDGEMILL_CACHE/cargo-deny CARGO_PROFILE_DEV_DEBUG=0
cargo install -q --debug --locked --root "$EDGEMILL_CACHE" --version "$version" cargo-deny
rm -rf "$CARGO_TARGET_DIR"
