#!/usr/bin/env bash
# ONNX Runtime's Linux wheels collect telemetry since 1.29, before any session exists, and the Python call against it
# comes too late; where `CI` is in the environment they are silent, so that a test there proves nothing.
#
# Expected (its privacy page speaks of Windows builds; the API has `disable_telemetry_events`): a Linux wheel writes
# nothing into the user's home, or the call stops it.
# Seen, onnxruntime 1.32.0 on Linux x86_64 (1.28.0 wrote nothing): creating SessionOptions alone makes
# ~/.cache/Microsoft/DeveloperTools/.onnxruntime/{deviceid,onnxruntime.db}, with the call as well; not with
# ORT_DISABLE_TELEMETRY=1, not with CI=true.
# Fails when one of these changes. Needs python3 with venv, and a package index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

script='import onnxruntime, sys
if "call" in sys.argv: onnxruntime.disable_telemetry_events()
onnxruntime.SessionOptions()'

# files VERSION ARGUMENT [NAME=VALUE...]: how many files a process leaves in its user's home.
files() {
    local version=$1 argument=$2
    shift 2
    rm -rf "$work/home" && mkdir "$work/home"
    env -u CI -u ORT_DISABLE_TELEMETRY -u XDG_CACHE_HOME "$@" HOME="$work/home" \
        "$work/$version/bin/python" -c "$script" "$argument"
    find "$work/home" -type f | wc -l
}

expect() {
    local what=$1 wanted=$2 found=$3
    echo "$what: $found files (expected $wanted)"
    [ "$wanted" = "$found" ] || { echo "changed: $what" >&2; exit 1; }
}

for version in 1.28.0 1.32.0; do
    python3 -m venv "$work/$version"
    "$work/$version/bin/python" -m pip --quiet --disable-pip-version-check install "onnxruntime==$version"
done
expect "1.28.0" 0 "$(files 1.28.0 -)"
expect "1.32.0" 2 "$(files 1.32.0 -)"
expect "1.32.0, disable_telemetry_events()" 2 "$(files 1.32.0 call)"
expect "1.32.0, ORT_DISABLE_TELEMETRY=1" 0 "$(files 1.32.0 - ORT_DISABLE_TELEMETRY=1)"
expect "1.32.0, CI=true" 0 "$(files 1.32.0 - CI=true)"
