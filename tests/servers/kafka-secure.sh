#!/usr/bin/env bash
# kafka-secure.sh DIR PORT SASL_PORT CONTROLLER_PORT TLS_PORT MUTUAL_PORT - becomes the broker of kafka.sh with TLS and access lists.
#   TLS_PORT     SASL_SSL; users as on SASL_PORT. DIR/certs/ca.crt is its authority
#   MUTUAL_PORT  SASL_SSL with SCRAM-SHA-512, for clients that have a certificate of that authority. The broker's own is for another
#                host's name: its clients take it without asking for the name, or not at all
# Users may do what no access list is about; PORT is for whoever may do everything. See acls.sh.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "$1" && dir=$(cd "$1" && pwd)
certs=$dir/certs
"$here/certs.sh" "$certs"
cat "$certs"/server.{key,crt} > "$certs/server.pem"
cat "$certs"/elsewhere.{key,crt} > "$certs/elsewhere.pem"
listeners="PLAINTEXT://127.0.0.1:$2,SASL_PLAINTEXT://127.0.0.1:$3,TLS://127.0.0.1:$5,MUTUAL://127.0.0.1:$6"
scram='org.apache.kafka.common.security.scram.ScramLoginModule required;'
export KAFKA_PROPERTIES="listeners=$listeners,CONTROLLER://127.0.0.1:$4
advertised.listeners=$listeners
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL_PLAINTEXT:SASL_PLAINTEXT,TLS:SASL_SSL,MUTUAL:SASL_SSL,CONTROLLER:PLAINTEXT
listener.name.tls.ssl.keystore.type=PEM
listener.name.tls.ssl.keystore.location=$certs/server.pem
listener.name.tls.scram-sha-512.sasl.jaas.config=$scram
listener.name.tls.scram-sha-256.sasl.jaas.config=$scram
listener.name.tls.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_bob=\"bob-secret\";
listener.name.mutual.ssl.keystore.type=PEM
listener.name.mutual.ssl.keystore.location=$certs/elsewhere.pem
listener.name.mutual.ssl.truststore.type=PEM
listener.name.mutual.ssl.truststore.location=$certs/ca.crt
listener.name.mutual.ssl.client.auth=required
listener.name.mutual.sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.mutual.scram-sha-512.sasl.jaas.config=$scram
authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer
super.users=User:ANONYMOUS
allow.everyone.if.no.acl.found=true
${KAFKA_PROPERTIES:-}"
exec "$here/kafka.sh" "$dir" "$2" "$3" "$4"
