#!/usr/bin/env bash
# certs.sh DIR - makes certificates for a test's own use, unless DIR has them; each NAME is NAME.crt and NAME.key, in PEM form:
#   ca      the authority of the others, its certificate          rogue-ca      an authority that nobody trusts
#   server  for localhost and 127.0.0.1                           elsewhere     for the name broker.example.com only
#   client  for the user lab-client                               rogue-client  the same by rogue-ca
set -euo pipefail
mkdir -p "$1" && cd "$1"
[ ! -f .complete ] || exit 0
key=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)
authority() { # NAME
  openssl req -x509 "${key[@]}" -keyout "$1.key" -out "$1.crt" -days 3650 -subj "/CN=$1" \
    -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign
}
leaf() { # NAME SUBJECT AUTHORITY EXTENSIONS
  openssl req "${key[@]}" -keyout "$1.key" -out "$1.csr" -subj "/CN=$2"
  openssl x509 -req -in "$1.csr" -CA "$3.crt" -CAkey "$3.key" -CAcreateserial -days 3650 -out "$1.crt" -extfile <(printf '%b' "$4")
}
{
  authority ca
  authority rogue-ca
  leaf server localhost ca 'subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth'
  leaf elsewhere broker.example.com ca 'subjectAltName=DNS:broker.example.com\nextendedKeyUsage=serverAuth'
  leaf client lab-client ca 'extendedKeyUsage=clientAuth'
  leaf rogue-client lab-client rogue-ca 'extendedKeyUsage=clientAuth'
} 2>openssl.log || { cat openssl.log >&2; exit 1; }
touch .complete
