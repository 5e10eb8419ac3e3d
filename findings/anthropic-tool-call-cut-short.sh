#!/usr/bin/env bash
# Where a streamed tool call is cut short at max_tokens, Anthropic's Python client completes what has arrived to an object:
# a text that is not finished is left out, but of a number the digits so far count, so that a wrong one looks whole.
#
# Expected: an error, or a block that says that its input is not whole; at least the same rule for numbers and texts.
# Seen, anthropic 2.14.0 (jiter 0.19.0), final message of messages.stream: the input {"rows": 12500, …} cut after "12" is
# {"rows": 12}, cut after "12." {"path": …} alone, as is one cut within a text or a word such as true. Only the message's
# stop_reason tells.
# Fails when one of these changes. Needs python3 with venv, and a package index.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/python" -m pip --quiet --disable-pip-version-check install anthropic==2.14.0 jiter==0.19.0

cat >"$work/cut.py" <<'PYTHON'
"""What the client makes of a tool's input of which only the beginning arrives."""
import http.server
import json
import threading

import anthropic

arrived = ""


class Service(http.server.BaseHTTPRequestHandler):
    """One streamed message with one tool call, cut at `arrived`."""

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the script's output is the finding's."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        message = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": [], "stop_reason": None}
        block = {"type": "tool_use", "id": "t", "name": "resize", "input": {}}
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        self.event("message_start", message=message | {"stop_sequence": None, "usage": {"input_tokens": 1, "output_tokens": 0}})
        self.event("content_block_start", index=0, content_block=block)
        self.event("content_block_delta", index=0, delta={"type": "input_json_delta", "partial_json": arrived})
        self.event("content_block_stop", index=0)
        self.event("message_delta", delta={"stop_reason": "max_tokens", "stop_sequence": None}, usage={"output_tokens": 9})
        self.event("message_stop")

    def event(self, kind: str, **fields: object) -> None:
        self.wfile.write(f"event: {kind}\ndata: {json.dumps({'type': kind} | fields)}\n\n".encode())


service = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
threading.Thread(target=service.serve_forever, daemon=True).start()
client = anthropic.Anthropic(base_url=f"http://127.0.0.1:{service.server_port}", api_key="key", max_retries=0)


def received(beginning: str) -> str:
    global arrived
    arrived = beginning
    with client.messages.stream(model="m", max_tokens=9, messages=[{"role": "user", "content": "hi"}]) as stream:
        message = stream.get_final_message()
    block = message.content[0]
    assert block.type == "tool_use"
    return f"{message.stop_reason} {json.dumps(block.input)}"


path = '{"path": "a"'
wanted = {
    path + ', "rows": 12': 'max_tokens {"path": "a", "rows": 12}',
    path + ', "rows": 12.': 'max_tokens {"path": "a"}',
    path + ', "name": "twel': 'max_tokens {"path": "a"}',
    path + ', "keep": tru': 'max_tokens {"path": "a"}',
}
changed = False
for beginning, expected in wanted.items():
    found = received(beginning)
    changed |= found != expected
    print(f"{beginning} gives {found} (expected {expected})")
raise SystemExit("changed" if changed else 0)
PYTHON

"$work/venv/bin/python" "$work/cut.py"
