#!/usr/bin/env bash
# A server of MCP's Python SDK reads the first Accept line of a request alone, so that a client which sends its two types
# in two lines gets 406, and it reads past `q=0`, so that one which rules a type out gets that type.
#
# Expected (RFC 9110): two lines of a list mean the same as one with a comma; a type with q=0 is not acceptable.
# Seen, mcp 2.3.0, streamable HTTP with its defaults (answers as events): 406 and 200, the other way round.
# Fails when one of these changes. Needs python3 with venv, and a package index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip --quiet --disable-pip-version-check install mcp==2.3.0 starlette==1.10.0 uvicorn==0.54.0

cat >"$work/accept.py" <<'PYTHON'
"""The status and the type of the answer to `initialize`, for Accept lines given as arguments."""
import asyncio
import http.client
import json
import logging
import socket
import sys
import threading

import uvicorn
from mcp.server.mcpserver import MCPServer

logging.disable(logging.CRITICAL)
listener = socket.create_server(("127.0.0.1", 0))
host = uvicorn.Server(uvicorn.Config(MCPServer("accept").streamable_http_app(), log_level="critical"))
threading.Thread(target=lambda: asyncio.run(host.serve([listener])), daemon=True).start()

about = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "accept", "version": "1"}}
body = json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": about}).encode()
connection = http.client.HTTPConnection("127.0.0.1", listener.getsockname()[1], timeout=60)
connection.putrequest("POST", "/mcp")
for name, value in (("Content-Type", "application/json"), ("Content-Length", str(len(body)))):
    connection.putheader(name, value)
for line in sys.argv[1:]:
    connection.putheader("Accept", line)
connection.endheaders(body)
answer = connection.getresponse()
print(answer.status, answer.headers.get_content_type())
PYTHON

expect() {
    local wanted=$1 found
    shift
    found=$("$work/venv/bin/python" "$work/accept.py" "$@" 2>/dev/null)
    echo "Accept in $# line(s), $*: $found (expected $wanted)"
    [ "$wanted" = "$found" ] || { echo "changed: $*" >&2; exit 1; }
}

expect "200 text/event-stream" "application/json, text/event-stream"
expect "406 application/json" "application/json" "text/event-stream"
expect "406 application/json" "application/json"
expect "200 text/event-stream" "application/json, text/event-stream;q=0"
