#!/usr/bin/env bash
# kafka-node.sh DIR NODE PORTS... - becomes the NODE-th of several combined KRaft brokers and controllers on 127.0.0.1, with its data in DIR.
# PORTS are PORT:PROXIED:ADVERTISED:CONTROLLER of each node, the first node's first. Clients that come by a PORT are told of PORTs; those
# that come by a PROXIED, through a proxy that listens on ADVERTISED, are told of ADVERTISEDs and so stay behind the proxies.
#   KAFKA_PROPERTIES, KAFKA_HEAP: as for kafka.sh
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dist=$(cd "${EDGEMILL_CACHE:-$here/../../.cache}/kafka" && pwd)
mkdir -p "$1" && dir=$(cd "$1" && pwd)
node=$2 && shift 2
voters=
for number in $(seq $#); do
  IFS=: read -r port proxied advertised controller <<< "${!number}"
  voters+=${voters:+,}$number@127.0.0.1:$controller
done
IFS=: read -r port proxied advertised controller <<< "${!node}"
if [ ! -f "$dir/data/meta.properties" ]; then
  mkdir -p "$dir/data" && cp -r "$dist/template/." "$dir/data/"
  id=$(head -c 16 /dev/urandom | base64 | tr '+/' 'AB' | tr -d =)
  sed -i "s/^node.id=.*/node.id=$node/; s/^directory.id=.*/directory.id=$id/" "$dir/data/meta.properties"
fi
# A dead broker is given up after 4 s, and a killed one waits as long before it comes back; usually it is 9 s.
export KAFKA_PROPERTIES="node.id=$node
controller.quorum.voters=$voters
listeners=PLAINTEXT://127.0.0.1:$port,PROXIED://127.0.0.1:$proxied,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://127.0.0.1:$port,PROXIED://127.0.0.1:$advertised
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT
default.replication.factor=3
min.insync.replicas=2
offsets.topic.replication.factor=3
transaction.state.log.replication.factor=3
transaction.state.log.min.isr=2
share.coordinator.state.topic.replication.factor=3
share.coordinator.state.topic.min.isr=2
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=500
${KAFKA_PROPERTIES:-}"
exec "$here/kafka.sh" "$dir" "$port" 0 "$controller"
