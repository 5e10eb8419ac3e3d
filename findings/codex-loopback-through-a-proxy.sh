#!/usr/bin/env bash
# Codex sends a proxy what it asks a server on its own machine, bearer token and prompt included, and none of the keys of
# a provider prevents that; lines of $CODEX_HOME/.env do, and ${NAME} in them is the variable of the user's shell.
#
# Expected (as browsers and Ruby do): a proxy is not asked for 127.0.0.1, or a key of the provider says so.
# Seen, openai-codex-cli-bin 0.163.0 on Linux x86_64: with HTTP_PROXY the proxy gets POST http://127.0.0.1:…/v1/responses;
# with NO_PROXY="${NO_PROXY},127.0.0.1" in .env the server gets it, also where the shell has a NO_PROXY of its own.
# Fails when one of these changes. Needs python3 with venv, and a package index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip --quiet --disable-pip-version-check install openai-codex-cli-bin==0.163.0

cat >"$work/ask.py" <<'PYTHON'
"""Who gets the request of `codex exec`: prints "proxy" or "server"."""
import os, pathlib, socket, subprocess, sys, threading

import codex_cli_bin

asked: list[str] = []


def listen(name: str) -> str:
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            connection, _ = server.accept()
            with connection:
                connection.recv(1 << 16)
                asked.append(name)
                connection.sendall(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")

    threading.Thread(target=serve, daemon=True).start()
    return f"http://127.0.0.1:{server.getsockname()[1]}"


home, lines, variables = pathlib.Path(sys.argv[1]), sys.argv[2], dict(pair.split("=", 1) for pair in sys.argv[3:])
home.mkdir(exist_ok=True)
(home / ".env").write_text(lines)
(home / "config.toml").write_text(
    'model = "x"\nmodel_provider = "here"\nanalytics.enabled = false\nfeatures.plugins = false\n'
    f'[model_providers.here]\nname = "here"\nbase_url = "{listen("server")}/v1"\nwire_api = "responses"\n'
    'request_max_retries = 0\nstream_max_retries = 0\nexperimental_bearer_token = "token"\n'
)
kept = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
environment = kept | {"CODEX_HOME": str(home), "HTTP_PROXY": listen("proxy")} | variables
codex = pathlib.Path(codex_cli_bin.__file__).parent / "bin" / "codex"
subprocess.run(
    [codex, "exec", "--skip-git-repo-check", "hi"], env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=120
)
print(" ".join(sorted(set(asked))))
PYTHON

expect() {
    local what=$1 wanted=$2 found
    shift 2
    found=$("$work/venv/bin/python" "$work/ask.py" "$work/codex" "$@")
    echo "$what: the $found is asked (expected: $wanted)"
    [ "$wanted" = "$found" ] || { echo "changed: $what" >&2; exit 1; }
}

# shellcheck disable=SC2016  # Codex puts the variable in, not this shell
lines='NO_PROXY="${NO_PROXY},127.0.0.1"'
expect "HTTP_PROXY" proxy ""
expect "HTTP_PROXY, NO_PROXY=127.0.0.1" server "" NO_PROXY=127.0.0.1
expect "HTTP_PROXY, .env" server "$lines"
expect "HTTP_PROXY, NO_PROXY=intranet, .env" server "$lines" NO_PROXY=intranet
