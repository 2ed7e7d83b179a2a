#!/bin/sh
# Make a certificate for Trino, once: PKCS12 for the server, PEM for those who trust it.
set -eu
[ -f /trino/ca.pem ] && exit 0
rm -f /trino/keystore.p12
keytool -genkeypair -alias trino -keyalg RSA -keysize 2048 -storetype PKCS12 -validity 3650 \
  -dname CN=lakemesh -ext san=dns:trino,dns:localhost,ip:127.0.0.1 \
  -keystore /trino/keystore.p12 -storepass:env TRINO_KEYSTORE_PASSWORD
keytool -exportcert -rfc -alias trino -file /trino/ca.new \
  -keystore /trino/keystore.p12 -storepass:env TRINO_KEYSTORE_PASSWORD
chown 1000:1000 /trino/keystore.p12
chmod 0400 /trino/keystore.p12
chmod 0444 /trino/ca.new
mv /trino/ca.new /trino/ca.pem
