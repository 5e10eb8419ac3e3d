#!/usr/bin/env bash
# Makes the virtual environment $1 with the pinned, hashed packages of $2 and this project in it.
set -euo pipefail
venv=$1 requirements=$2
python=${PYTHON:-python3}

if ! command -v "$python" >/dev/null; then
    echo "Python 3.11 or newer is needed: apt-get install python3 python3-venv" >&2
    exit 1
fi
if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "Python 3.11 or newer is needed; $python is $("$python" --version 2>&1)." >&2
    exit 1
fi

# Debian ships the venv module without ensurepip; only its own package completes it.
if ! "$python" -c 'import ensurepip, venv' 2>/dev/null; then
    version=$("$python" -c 'import sys; print("python%d.%d" % sys.version_info[:2])')
    if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
        apt-get -qq update && apt-get -qq install -y --no-install-recommends "$version-venv" >/dev/null
    else
        echo "The venv module is incomplete. Install it with: sudo apt-get install $version-venv" >&2
        exit 1
    fi
fi

[ -x "$venv/bin/python" ] || "$python" -m venv "$venv"
pip=("$venv/bin/python" -m pip --disable-pip-version-check --quiet)
echo "Installing the pinned packages into $venv …" >&2
"${pip[@]}" install --require-hashes --only-binary :all: -r "$requirements"
"${pip[@]}" install --no-deps --editable .
