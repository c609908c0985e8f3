#!/usr/bin/env bash
#
# seal_secret.sh KEY.pem KID STORE GATEWAY KIND <SECRET
#
# Seals a secret of a gateway for the public key of a database and writes the blob that
# order_payment.set_gateway_secret(GATEWAY, KIND, blob, store => STORE) takes. Needs bash and openssl 3. The secret is read from
# standard input and stands in no argument, environment or file. KEY.pem and KID come from the database:
#
#   psql -XAtc "SELECT order_payment.card_public_key('pem')" >key.pem
#   psql -XAtc "SELECT order_payment.card_public_key('jwk')::json ->> 'kid'"
#
# The form is told in src/secret_blob.c.
set -euo pipefail
export LC_ALL=C # lengths are in bytes

[ $# -eq 5 ] || { echo "usage: $0 KEY.pem KID STORE GATEWAY KIND <SECRET" >&2; exit 2; }
key=$1 piece_size=300

label=$(printf '%s\0' 'order_payment gateway secret v1' "${@:2}" | od -An -v -tx1 | tr -d ' \n')
secret=$(cat; printf .) # the point keeps line ends
secret=${secret%.}
[ -n "$secret" ] || { echo "$0: there is no secret on standard input" >&2; exit 1; }
count=$(((${#secret} + piece_size - 1) / piece_size))
run=$(openssl rand -hex 16)

blob=opsec1.$2
for ((index = 0; index < count; index++)); do
    head=$(printf '%s%02x%02x' "$run" "$index" "$count" | sed 's/../\\x&/g')
    part=$(printf "$head%s" "${secret:index * piece_size:piece_size}" |
        openssl pkeyutl -encrypt -pubin -inkey "$key" -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 \
            -pkeyopt rsa_mgf1_md:sha256 -pkeyopt "rsa_oaep_label:$label" | openssl base64 -A | tr '+/' '-_' | tr -d '=')
    blob+=.$part
done
printf '%s\n' "$blob"
