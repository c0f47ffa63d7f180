#!/usr/bin/env bash
# get-registry.sh - brings a schema registry into $EDGEMILL_CACHE/registry: Apicurio through Maven, and a class-data archive.
# Does nothing when it is there.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dist=${EDGEMILL_CACHE:-$here/../../.cache}/registry
mkdir -p "$dist" && dist=$(cd "$dist" && pwd)
exec 9>"$dist/.lock" && flock 9
want=$(cat "$here"/{registry-pom.xml,get-registry.sh,registry.sh,archive.sh} | sha256sum)
[ "$(cat "$dist/.complete" 2>/dev/null)" = "$want" ] && exit 0
. "$here/archive.sh"

echo "getting a schema registry into $dist" >&2
rm -rf "$dist"/{packed,app,classes.jsa,.complete}
mvn -q -B -Dstyle.color=never -f "$here/registry-pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
  -DoutputDirectory="$dist/packed" >&2
mkdir "$dist/app"
tar -xzf "$dist"/packed/*.tar.gz -C "$dist/app"
rm -r "$dist/packed"

run=$(mktemp -d) && trap 'rm -rf "$run"' EXIT
write_archive "$dist/classes.jsa" 120 'Listening on' \
  env REGISTRY_JVM="-XX:ArchiveClassesAtExit=$dist/classes.jsa" "$here/registry.sh" $((10000 + RANDOM % 20000))
echo "$want" > "$dist/.complete"
