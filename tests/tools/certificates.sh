#!/bin/sh
# certificates.sh FOLDER: two authorities and what they have signed, for tests of TLS.
#
#   ca.pem          signs   server.pem (localhost, 127.0.0.1), elsewhere.pem (broker.example),
#                           expired.pem (localhost), client.pem (CN=millwright); each with its .key
#   other-ca.pem    signs   stranger.pem (localhost), intruder.pem (a client)
#   locked.key      client.pem's key with a password
#   trusted/        ca.pem as a system has those that it trusts
#
# Exit status 77: openssl is not installed.
set -eu
command -v openssl >/dev/null || exit 77
cd "$1"
extensions() { # KIND [NAMES]
    echo "basicConstraints=critical,CA:FALSE"
    echo "extendedKeyUsage=$1"
    [ -z "${2:-}" ] || echo "subjectAltName=$2"
}
authority() { # NAME
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj "/CN=$1" \
        -keyout "$1.key" -out "$1.pem"
}
signed() { # NAME AUTHORITY DAYS SUBJECT KIND [NAMES]
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$4" \
        -keyout "$1.key" -out "$1.csr"
    extensions "$5" "${6:-}" >"$1.ext"
    openssl x509 -req -in "$1.csr" -CA "$2.pem" -CAkey "$2.key" -CAcreateserial -days "$3" \
        -extfile "$1.ext" -out "$1.pem"
}
{
    authority ca
    authority other-ca
    signed server ca 30 localhost serverAuth DNS:localhost,IP:127.0.0.1
    signed elsewhere ca 30 broker.example serverAuth DNS:broker.example,DNS:mqtt.example
    signed expired ca -1 localhost serverAuth DNS:localhost
    signed client ca 30 millwright clientAuth
    signed stranger other-ca 30 localhost serverAuth DNS:localhost
    signed intruder other-ca 30 intruder clientAuth
    openssl ec -in client.key -aes128 -passout pass:sesame -out locked.key
    mkdir trusted
    cp ca.pem "trusted/$(openssl x509 -in ca.pem -noout -hash).0"
} >certificates.log 2>&1 || { cat certificates.log >&2; exit 1; }
