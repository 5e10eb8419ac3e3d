#!/usr/bin/env bash
# Unpacks the projections of Windows' own AI services, with their type stubs, into the folder $1, for the type checker on
# any system. Needs the Linux environment $2.
set -euo pipefail
folder=$1 linux=$2
here=$(dirname "${BASH_SOURCE[0]}")
pinned=$(mktemp)
trap 'rm -f "$pinned"' EXIT

rm -rf "$folder"
awk '/^[^ #]/ { wanted = /^(winrt-|windowsml=)/ } wanted' "$here/requirements-wine.txt" > "$pinned"
"$linux/bin/python" -m pip --disable-pip-version-check --quiet install --target "$folder" --no-deps --no-compile \
    --require-hashes --platform win_amd64 --python-version 3.11 --implementation cp --only-binary :all: \
    --requirement "$pinned"
