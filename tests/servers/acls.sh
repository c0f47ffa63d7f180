#!/usr/bin/env bash
# acls.sh ADDRESS - gives the broker of kafka-secure.sh its access lists, through its plaintext ADDRESS:
#   topic hidden       no user may do anything with it, not even see it
#   topic unreadable   every user may see it, and no more      group alice-forbidden   the same
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dist=$(cd "${EDGEMILL_CACHE:-$here/../../.cache}/kafka" && pwd)
acls() {
  java -Xmx64m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Xshare:auto -Xlog:cds=off -cp "$dist/libs/*" -Dlog4j2.configurationFile="$dist/log4j2.yaml" \
    org.apache.kafka.tools.AclCommand --bootstrap-server "$address" --add "$@"
}
address=$1
acls --allow-principal User:nobody --operation All --topic hidden &
acls --allow-principal 'User:*' --operation Describe --topic unreadable --group alice-forbidden &
wait -n
wait -n
