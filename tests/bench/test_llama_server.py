"""llama-server as a peer. Its binary is not ours to ship: a stand-in speaks its HTTP."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from codex_windows_ai.bench.process import Children
from codex_windows_ai.bench.sides.llama_server import llama_server
from codex_windows_ai.bench.sides.peers import Program
from codex_windows_ai.bench.sides.side import Prompt
from codex_windows_ai.errors import EngineError

STAND_IN = f"""#!{sys.executable}
import json, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

options = dict(zip(sys.argv[1::2], sys.argv[2::2]))

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        assert request["cache_prompt"] and request["ignore_eos"] and request["stream"], request
        if request["prompt"] == [0]:
            self.send_error(400, "bad prompt")
            return
        self.send_response(200)
        self.end_headers()
        for token in range(request["n_predict"]):
            self.say({{"content": "x", "tokens": [token], "stop": False}})
        self.say({{"content": "", "tokens": [], "stop": True, "timings": {{"prompt_n": 1}}, "options": options}})

    def say(self, value):
        self.wfile.write(("data: " + json.dumps(value) + "\\n\\n").encode())

    def log_message(self, *arguments):
        pass

assert options["--parallel"] == "8" and options["--ctx-size"] == "800", options
HTTPServer((options["--host"], int(options["--port"])), Handler).serve_forever()
"""

runs_scripts = pytest.mark.skipif(sys.platform == "win32", reason="the stand-in is a script with a #! line")


def write_program(folder: Path, text: str) -> Program:
    program, model = folder / "llama-server", folder / "model.gguf"
    program.write_text(text, encoding="utf-8")
    program.chmod(0o755)
    model.touch()
    return Program(program, model)


@pytest.mark.anyio
@runs_scripts
async def test_an_answer_has_its_tokens_times_and_what_was_cached(tmp_path: Path, children: Children) -> None:
    before = psutil.Process().children()  # a host that all tests share may run
    peer = write_program(tmp_path, STAND_IN)
    async with llama_server(children, peer, slots=8, slot_tokens=100) as server:
        reply = await server.ask(0, Prompt([5, 6, 7], 4))
        assert reply.tokens == (0, 1, 2, 3)
        assert (reply.input_tokens, reply.cached_tokens) == (3, 2)
        assert 0 < reply.first_token <= reply.total
        assert server.memory_bytes() > 0
        with pytest.raises(EngineError, match="bad prompt"):
            await server.ask(0, Prompt([0], 4))
    assert psutil.Process().children() == before


@pytest.mark.anyio
@runs_scripts
async def test_a_peer_that_ends_at_once_is_an_error_with_its_last_words(tmp_path: Path, children: Children) -> None:
    peer = write_program(tmp_path, "#!/bin/sh\necho 'no such model' >&2\nexit 1\n")

    with pytest.raises(EngineError, match="llama-server did not start: no such model"):
        async with llama_server(children, peer, slots=8, slot_tokens=100):
            pass
