#!/bin/sh
#
# seal.sh KID PEM-FILE < card.json
#
# Seals a card for the database by the openssl command line. PEM-FILE is what order_payment.card_public_key('pem') returns, KID
# the id of that key, card.json an object as in seal.mjs: {"number":"...","expiry":"...","order_id":"...","token":"..."}. OpenSSL
# takes the label in hexadecimal, and SHA-1 for digest and mask unless it is told otherwise.

set -eu
kid=$1
pem=$2
label=$(printf 'order_payment/card/v1|%s' "$kid" | od -An -v -tx1 | tr -d ' \n')
printf 'ops1.%s.%s\n' "$kid" "$(openssl pkeyutl -encrypt -pubin -inkey "$pem" \
    -pkeyopt rsa_padding_mode:oaep -pkeyopt rsa_oaep_md:sha256 -pkeyopt rsa_mgf1_md:sha256 -pkeyopt rsa_oaep_label:"$label" |
    base64 | tr -d '\n=' | tr '+/' '-_')"
