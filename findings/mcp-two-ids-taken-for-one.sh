#!/usr/bin/env bash
# A server of MCP's Python SDK takes the request ids 1 and "1" for one while both are under way: the answer to the first
# goes out as that to the second, and the first gets none. Its client tells the two apart.
#
# Expected: JSON-RPC has numbers and strings as ids, so these are two, and each request gets its own answer. (That one id
# used twice collides is the client's fault: the protocol forbids it.)
# Seen, mcp 2.3.0, a session over streamable HTTP, with answers as JSON and as events alike: the response to "1" carries
# {"id": 1} and the first tool's text; with the ids 1 and 2 each is right.
# Fails when one of these changes. Needs python3 with venv, and a package index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip --quiet --disable-pip-version-check install mcp==2.3.0 uvicorn==0.54.0

cat >"$work/ids.py" <<'PYTHON'
"""Which answers two calls get that are under way at once: prints id and text of each, or none."""
import asyncio
import http.client
import json
import logging
import os
import socket
import sys
import threading

import uvicorn
from mcp.server.mcpserver import MCPServer

CALLS = ("first", "second")
begun, may_end = ({name: threading.Event() for name in CALLS} for _ in range(2))
server = MCPServer("ids")
logging.disable(logging.CRITICAL)


@server.tool()
async def say(name: str) -> str:
    begun[name].set()
    await asyncio.to_thread(may_end[name].wait)
    return name


listener = socket.create_server(("127.0.0.1", 0))
port = listener.getsockname()[1]
application = server.streamable_http_app(json_response=sys.argv[1] == "json")
host = uvicorn.Server(uvicorn.Config(application, log_level="critical"))
threading.Thread(target=lambda: asyncio.run(host.serve([listener])), daemon=True).start()


def post(message: dict[str, object], session: str | None = None) -> tuple[str, str]:
    """The session and the body of the answer."""
    headers = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    if session is not None:
        headers |= {"Mcp-Session-Id": session, "Mcp-Protocol-Version": "2025-06-18"}
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("POST", "/mcp", json.dumps({"jsonrpc": "2.0"} | message), headers)
    answer = connection.getresponse()
    return answer.headers["Mcp-Session-Id"], answer.read().decode()


def content(body: str) -> str:
    data = [line.removeprefix("data: ") for line in body.splitlines() if line.startswith(("data: {", "{"))]
    answer = json.loads(data[-1])
    return f"{json.dumps(answer['id'])} {answer['result']['content'][0]['text']}"


about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "ids", "version": "1"}}
session, _ = post({"id": 0, "method": "initialize", "params": about})
post({"method": "notifications/initialized"}, session)
answers = dict.fromkeys(CALLS, "none")


def call(name: str, number: int | str) -> threading.Thread:
    def ask() -> None:
        params = {"name": "say", "arguments": {"name": name}}
        answers[name] = content(post({"id": number, "method": "tools/call", "params": params}, session)[1])

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    if not begun[name].wait(60):
        raise SystemExit("the call did not reach the tool")
    return thread


threads = [call("first", 1), call("second", json.loads(sys.argv[2]))]
may_end["first"].set()
# An answer that never comes can only be waited for; one that comes is here much sooner.
for thread in threads:
    thread.join(10)
may_end["second"].set()
for thread in threads:
    thread.join(10)
print(", ".join(f"{name}: {answers[name]}" for name in CALLS), flush=True)
os._exit(0)  # the server holds the connection of a request without an answer open
PYTHON

expect() {
    local form=$1 other=$2 wanted=$3 found
    found=$("$work/venv/bin/python" "$work/ids.py" "$form" "$other" 2>/dev/null)
    echo "ids 1 and $other, $form: $found (expected $wanted)"
    [ "$wanted" = "$found" ] || { echo "changed: $form, $other" >&2; exit 1; }
}

for form in json events; do
    expect "$form" 2 'first: 1 first, second: 2 second'
    expect "$form" '"1"' 'first: none, second: 1 first'
done
