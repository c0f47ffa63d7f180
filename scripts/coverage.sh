#!/usr/bin/env bash
# coverage.sh RUSTC ARGUMENT... - a wrapper of rustc for the workspace's own crates: they tell libFuzzer which code an input reached.
# What they depend on is built as always, so that it is built once. Build scripts are no part of what is fuzzed.
set -euo pipefail
case " $* " in
  *" --crate-name build_script_build "* | *" --print "* | *" -vV "*) exec "$@" ;;
  *" --target wasm32"*) exec "$@" ;;
esac
exec "$@" -C passes=sancov-module -C llvm-args=-sanitizer-coverage-level=4 -C llvm-args=-sanitizer-coverage-inline-8bit-counters \
  -C llvm-args=-sanitizer-coverage-pc-table -C llvm-args=-sanitizer-coverage-trace-compares -C codegen-units=1
