#!/usr/bin/env bash
# packages.sh build|test|bench - installs the Debian packages that are missing, as root or with sudo; otherwise says which.
set -euo pipefail
missing=()
need() { local package=$1; shift; "$@" >/dev/null 2>&1 || missing+=("$package"); }
need gcc command -v gcc
need g++ command -v g++
need pkg-config command -v pkg-config
need libssl-dev pkg-config --exists openssl
need zlib1g-dev pkg-config --exists zlib
case ${1:-} in
  test | bench)
    need default-jre-headless java -version
    need maven command -v mvn
    ;;&
  test)
    need valgrind command -v valgrind
    need openssl command -v openssl
    need make command -v make
    need clang command -v clang
    need lld command -v wasm-ld
    need wasi-libc test -e /usr/include/wasm32-wasi/stdio.h
    need libclang-rt-dev-wasm32 sh -c 'ls /usr/lib/llvm-*/lib/clang/*/lib/wasi/libclang_rt.builtins-wasm32.a'
    need python3 command -v python3
    need python3-venv python3 -c 'import ensurepip'
    ;;
  bench)
    need default-jdk-headless command -v javac
    need python3 command -v python3
    need python3-venv python3 -c 'import ensurepip'
    ;;
esac
[ ${#missing[@]} = 0 ] && exit 0

install="apt-get install -y --no-install-recommends ${missing[*]}"
as_root=()
if [ "$(id -u)" != 0 ]; then
  as_root=(sudo -n)
  sudo -n true 2>/dev/null || { echo "missing: ${missing[*]}; as root, run: apt-get update && $install" >&2; exit 1; }
fi
command -v apt-get >/dev/null || { echo "missing: ${missing[*]}; install what gives them here" >&2; exit 1; }
"${as_root[@]}" apt-get update -q >&2
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive $install >&2
