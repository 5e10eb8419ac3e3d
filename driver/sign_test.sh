#!/usr/bin/env bash
# Signs the driver $1 for tests, as $2, with a certificate of its own that it makes in the folder $3 (once).
#
# Windows loads the result only with test signing on (docs/kernel-driver.md); nobody else's machine ever trusts it.
# The same driver, certificate and SIGNING_TIME (seconds since 1970; default: now) give the same bytes.
set -euo pipefail
[ $# = 3 ] || { echo "usage: $0 DRIVER SIGNED FOLDER" >&2; exit 2; }
driver=$1 signed=$2 folder=$3

for program in osslsigncode openssl; do
    command -v "$program" >/dev/null || { echo "$program is missing: apt-get install $program" >&2; exit 1; }
done

if [ ! -f "$folder/test_signing.key" ]; then
    mkdir -p "$folder"
    (umask 077 && openssl req -x509 -newkey rsa:3072 -sha256 -nodes -days 3650 \
        -subj "/CN=codex-windows-ai test signing" -addext "extendedKeyUsage=codeSigning" \
        -keyout "$folder/test_signing.key" -out "$folder/test_signing.cer" 2>/dev/null)
fi

mkdir -p "$(dirname "$signed")"
rm -f "$signed"
osslsigncode sign -h sha256 -ph -time "${SIGNING_TIME:-$(date +%s)}" -n "codex-windows-ai kernel driver" \
    -certs "$folder/test_signing.cer" -key "$folder/test_signing.key" -in "$driver" -out "$signed" >/dev/null
osslsigncode verify -CAfile "$folder/test_signing.cer" -in "$signed" >/dev/null
echo "$signed is signed; its certificate is $folder/test_signing.cer"
