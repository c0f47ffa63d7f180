#!/usr/bin/env bash
# acls.sh ADDRESS LIST... - gives a broker access lists, through its plaintext ADDRESS. Each LIST is what one call of Kafka's AclCommand adds:
#   '--allow-principal User:alice --operation Read --topic a --topic b --group c'
set -euo pipefail
set -f # the star of User:* is Kafka's
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dist=$(cd "${EDGEMILL_CACHE:-$here/../../.cache}/kafka" && pwd)
address=$1 && shift
for list in "$@"; do
  # the words of a list are arguments
  java -Xmx64m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -Xlog:cds=off -cp "$dist/libs/*" -Dlog4j2.configurationFile="$dist/log4j2.yaml" \
    org.apache.kafka.tools.AclCommand --bootstrap-server "$address" --add $list &
done
for _ in "$@"; do
  wait -n
done
