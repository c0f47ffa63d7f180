#!/usr/bin/env bash
# get-kafka.sh - brings a Kafka broker into $EDGEMILL_CACHE/kafka: jars through Maven, a formatted data folder, a class-data archive.
# Does nothing when it is there. Formatting and class loading cost a broker's start several seconds each, so both are kept.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dist=${EDGEMILL_CACHE:-$here/../../.cache}/kafka
mkdir -p "$dist" && dist=$(cd "$dist" && pwd)
exec 9>"$dist/.lock" && flock 9
want=$(cat "$here"/{pom.xml,log4j2.yaml,get-kafka.sh,kafka.sh,archive.sh} | sha256sum)
[ "$(cat "$dist/.complete" 2>/dev/null)" = "$want" ] && exit 0
. "$here/archive.sh"

echo "getting Kafka into $dist" >&2
rm -rf "$dist"/{libs,template,classes.jsa,.complete}
mvn -q -B -Dstyle.color=never -f "$here/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
  -DincludeScope=runtime -DoutputDirectory="$dist/libs" >&2
cp "$here/log4j2.yaml" "$dist/"

cat > "$dist/template.properties" <<P
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:1
listeners=PLAINTEXT://127.0.0.1:2,CONTROLLER://127.0.0.1:1
controller.listener.names=CONTROLLER
log.dirs=$dist/template
P
java -Xmx256m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -cp "$dist/libs/*" -Dlog4j2.configurationFile="$dist/log4j2.yaml" \
  kafka.tools.StorageTool format -t MkU3OEVBNTcwNTJENDM2Qg -c "$dist/template.properties" \
  --add-scram 'SCRAM-SHA-512=[name=alice,password=alice-secret]' --add-scram 'SCRAM-SHA-256=[name=alice,password=alice-secret]' \
  >"$dist/format.log" 2>&1 || { cat "$dist/format.log" >&2; exit 1; }

# Three free ports: below the range that outgoing connections take theirs from.
run=$(mktemp -d) && trap 'rm -rf "$run"' EXIT
port=$((10000 + RANDOM % 20000))
write_archive "$dist/classes.jsa" 60 'Kafka Server started' \
  env KAFKA_JVM="-XX:ArchiveClassesAtExit=$dist/classes.jsa" "$here/kafka.sh" "$run" "$port" $((port + 1)) $((port + 2))
echo "$want" > "$dist/.complete"
