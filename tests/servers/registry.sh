#!/usr/bin/env bash
# registry.sh PORT - becomes a schema registry on 127.0.0.1 that keeps what it has in memory, with Confluent's API below /apis/ccompat/v7.
# It is usable once it has printed 'Listening on'.
#   REGISTRY_JVM  more options for Java
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dist=$(cd "${EDGEMILL_CACHE:-$here/../../.cache}/registry" && pwd)
[ ! -f "$dist/classes.jsa" ] || REGISTRY_JVM="${REGISTRY_JVM:-} -XX:SharedArchiveFile=$dist/classes.jsa"
exec java -Xmx192m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -Xlog:cds=off -Xlog:cds+dynamic=off ${REGISTRY_JVM:-} \
  -Dquarkus.http.host=127.0.0.1 -Dquarkus.http.port="$1" -jar "$dist"/app/*-runner.jar
