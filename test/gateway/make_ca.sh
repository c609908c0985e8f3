#!/bin/sh
#
# make_ca.sh FOLDER: a certificate authority for tests, and certificates of 127.0.0.1 and localhost by it: some good, some that
# must be refused. Each is NAME.pem, certificate and key in one file, as server.py takes it.
#
#   ca.pem           what to trust          crl.pem   what it has revoked
#   good.pem         as it should be
#   expired.pem      was valid once
#   wrong_host.pem   is another host's
#   revoked.pem      good, but in crl.pem
#   self_signed.pem  signed by itself
#   other_ca.pem     good, but of a CA that is not trusted

set -eu

cd "$1"

# The test's CA, not the system's, says what is in a certificate.
OPENSSL_CONF=$PWD/ca.conf
export OPENSSL_CONF
cat >ca.conf <<'CONF'
[req]
distinguished_name = name
prompt = no
[name]
CN = order_payment test
[ca]
default_ca = test
[test]
database = index.txt
new_certs_dir = .
certificate = ca.crt
private_key = ca.key
serial = serial
crlnumber = crlnumber
default_md = sha256
default_days = 30
default_crl_days = 30
policy = any
unique_subject = no
[any]
commonName = supplied
[root]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[here]
basicConstraints = critical, CA:FALSE
subjectAltName = DNS:localhost, IP:127.0.0.1, IP:::1
[elsewhere]
basicConstraints = critical, CA:FALSE
subjectAltName = DNS:gateway.invalid, IP:192.0.2.1
CONF
: >index.txt
echo 1000 >serial
echo 1000 >crlnumber

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1" 2>/dev/null; }

authority() { # authority NAME: NAME.key and NAME.crt
    key "$1.key"
    openssl req -x509 -new -key "$1.key" -subj "/CN=order_payment $1" -days 30 -extensions root -out "$1.crt"
}

# certificate NAME EXTENSIONS OPTION...: signed by the CA
certificate() {
    name=$1
    extensions=$2
    shift 2
    key "$name.key"
    openssl req -new -key "$name.key" -subj "/CN=$name" -out "$name.csr"
    openssl ca -batch -notext -in "$name.csr" -extensions "$extensions" -out "$name.crt" "$@" 2>>ca.log
    cat "$name.crt" "$name.key" >"$name.pem"
}

umask 077
authority ca
authority other
certificate good here
certificate expired here -startdate 20200101000000Z -enddate 20200201000000Z
certificate wrong_host elsewhere
certificate revoked here
certificate other_ca here -cert other.crt -keyfile other.key
key self_signed.key
openssl req -x509 -new -key self_signed.key -subj /CN=localhost -days 30 -extensions here -out self_signed.crt
cat self_signed.crt self_signed.key >self_signed.pem
openssl ca -revoke revoked.crt 2>>ca.log
openssl ca -gencrl -out crl.pem 2>>ca.log
cp ca.crt ca.pem
