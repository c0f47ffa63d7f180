#!/usr/bin/env bash
# setup.sh PEER... - puts what peers of the benchmark need into $EDGEMILL_CACHE/peers: python, bytewax, kafka-streams.
# Everything comes from the package registries by their own clients; does nothing when it is there.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
peers=${EDGEMILL_CACHE:-$here/../../.cache}/peers
mkdir -p "$peers" && peers=$(cd "$peers" && pwd)
exec 9>"$peers/.lock" && flock 9
cannot() { echo "the peer $peer cannot be had: $1; leave it out with --peers (see bench/README.md)" >&2; exit 1; }

# complete NAME FILE... - whether NAME was made of what these files say now. The mark is written by `done_with`.
complete() { local name=$1; shift; want=$(cat "$@" | sha256sum); [ "$(cat "$peers/$name/.complete" 2>/dev/null)" = "$want" ]; }
done_with() { echo "$want" > "$peers/$1/.complete"; }

python() { # PACKAGES, as a pattern: one environment for each peer, so that one that lacks a wheel does not take the others with it
  complete "$peer" "$here/requirements.txt" && return
  echo "getting the peer $peer" >&2
  rm -rf "${peers:?}/$peer"
  python3 -m venv "$peers/$peer" >&2 || cannot "python3 -m venv failed (Debian: python3-venv)"
  grep -E "^($1)==" "$here/requirements.txt" > "$peers/$peer/requirements.txt"
  "$peers/$peer/bin/pip" install -q --disable-pip-version-check --only-binary :all: -r "$peers/$peer/requirements.txt" >&2 ||
    cannot "there are no wheels for $(python3 --version)"
  done_with "$peer"
}

kafka_streams() {
  complete "$peer" "$here/kafka-streams/pom.xml" "$here/kafka-streams/Peer.java" && return
  echo "getting the peer $peer" >&2
  rm -rf "${peers:?}/$peer"
  command -v javac >/dev/null || cannot "there is no javac (Debian: default-jdk-headless)"
  mvn -q -B -Dstyle.color=never -f "$here/kafka-streams/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
    -DincludeScope=runtime -DoutputDirectory="$peers/$peer/libs" >&2 || cannot "Maven does not find its jars"
  javac -cp "$peers/$peer/libs/*" -d "$peers/$peer/classes" "$here/kafka-streams/Peer.java" >&2 || cannot "it does not compile"
  done_with "$peer"
}

for peer; do
  case $peer in
    python) python 'confluent-kafka|lz4|orjson' ;;
    bytewax) python 'bytewax|confluent-kafka|lz4|orjson' ;;
    kafka-streams) kafka_streams ;;
    *) echo "no peer $peer: python, bytewax, kafka-streams" >&2; exit 1 ;;
  esac
done
