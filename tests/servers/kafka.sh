#!/usr/bin/env bash
# kafka.sh DIR PORT SASL_PORT CONTROLLER_PORT - becomes one KRaft broker and controller on 127.0.0.1 with its data in DIR.
# It is usable once it has printed 'Kafka Server started'. A DIR that was used before starts again with its data.
#   PORT       PLAINTEXT
#   SASL_PORT  SASL_PLAINTEXT; alice/alice-secret by SCRAM-SHA-512 and -256, bob/bob-secret by PLAIN
# Topics do not come by themselves: they are to be made.
#   KAFKA_PROPERTIES  more lines for server.properties (the last of two wins)    KAFKA_JVM  more options for Java    KAFKA_HEAP  256m
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dist=$(cd "${EDGEMILL_CACHE:-$here/../../.cache}/kafka" && pwd)
mkdir -p "$1" && dir=$(cd "$1" && pwd)
listeners="PLAINTEXT://127.0.0.1:$2,SASL_PLAINTEXT://127.0.0.1:$3"
scram='org.apache.kafka.common.security.scram.ScramLoginModule required;'
cat > "$dir/server.properties" <<P
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$4
listeners=$listeners,CONTROLLER://127.0.0.1:$4
advertised.listeners=$listeners
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-512,SCRAM-SHA-256,PLAIN
listener.name.sasl_plaintext.scram-sha-512.sasl.jaas.config=$scram
listener.name.sasl_plaintext.scram-sha-256.sasl.jaas.config=$scram
listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_bob="bob-secret";
log.dirs=$dir/data
num.partitions=1
default.replication.factor=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=4
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000
auto.create.topics.enable=false
# tests choose timestamps of long ago
log.retention.ms=-1
num.network.threads=2
num.io.threads=4
log.cleaner.dedupe.buffer.size=20971520
${KAFKA_PROPERTIES:-}
P
if [ ! -f "$dir/data/meta.properties" ]; then
  mkdir -p "$dir/data" && cp -r "$dist/template/." "$dir/data/"
  id=$(head -c 16 /dev/urandom | base64 | tr '+/' 'AB' | tr -d =)
  sed -i "s/^directory.id=.*/directory.id=$id/" "$dir/data/meta.properties"
fi
[ ! -f "$dist/classes.jsa" ] || KAFKA_JVM="${KAFKA_JVM:-} -XX:SharedArchiveFile=$dist/classes.jsa"
set -f # the class path's star is Java's
exec java -Xmx"${KAFKA_HEAP:-256m}" -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -Xlog:cds=off -Xlog:cds+dynamic=off \
  -cp "$dist/libs/*" -Dlog4j2.configurationFile="$dist/log4j2.yaml" ${KAFKA_JVM:-} kafka.Kafka "$dir/server.properties"
