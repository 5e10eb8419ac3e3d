#!/usr/bin/env bash
# Importing hf_xet, which comes with huggingface_hub, makes a log file in the user's home, before anything is asked of it;
# the variables that keep the Hub's client off the network, or off Xet, or a log empty, do not prevent that.
#
# Expected: importing a library writes nothing; HF_HUB_DISABLE_XET=1, at the latest, does.
# Seen, hf-xet 1.8.0 on Linux: each process leaves a file of its own in ~/.cache/huggingface/xet/logs, also with
# HF_HUB_OFFLINE=1, with HF_HUB_DISABLE_XET=1, and, then empty, with RUST_LOG=off. HF_XET_LOG_DEST=stderr leaves none;
# an empty HF_XET_LOG_DEST does. Importing huggingface_hub alone does not import it.
# Fails when one of these changes. Needs python3 with venv, and a package index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip --quiet --disable-pip-version-check install hf-xet==1.8.0 huggingface_hub==2.4.0

# files MODULE [NAME=VALUE...]: how many files two processes that import MODULE leave in their user's home, and of how
# many there is something in them.
files() {
    local module=$1
    shift
    rm -rf "$work/home" && mkdir "$work/home"
    for _ in 1 2; do
        env -i "PATH=$PATH" "HOME=$work/home" "$@" "$work/venv/bin/python" -c "import $module" 2>"$work/errors"
    done
    echo "$(find "$work/home" -type f | wc -l) $(find "$work/home" -type f -size +0 | wc -l)"
}

expect() {
    local what=$1 wanted=$2 found=$3
    echo "$what: files, and not empty ones: $found (expected $wanted)"
    [ "$wanted" = "$found" ] || { echo "changed: $what" >&2; exit 1; }
}

expect "import hf_xet" "2 2" "$(files hf_xet)"
expect "HF_HUB_OFFLINE=1" "2 2" "$(files hf_xet HF_HUB_OFFLINE=1)"
expect "HF_HUB_DISABLE_XET=1" "2 2" "$(files hf_xet HF_HUB_DISABLE_XET=1)"
expect "RUST_LOG=off" "2 0" "$(files hf_xet RUST_LOG=off)"
expect "HF_XET_LOG_DEST=" "2 2" "$(files hf_xet HF_XET_LOG_DEST=)"
expect "HF_XET_LOG_DEST=stderr" "0 0" "$(files hf_xet HF_XET_LOG_DEST=stderr)"
expect "import huggingface_hub" "0 0" "$(files huggingface_hub)"
