"""llama-server as a peer. Its binary is not ours to ship: a stand-in speaks its HTTP."""

from __future__ import annotations

import sys
from pathlib import Path

import psutil
import pytest

from codex_windows_ai.bench.bench import Peer
from codex_windows_ai.bench.process import Children
from codex_windows_ai.bench.sides.llama_server import llama_server, parse_peer
from codex_windows_ai.bench.sides.side import Prompt
from codex_windows_ai.errors import EngineError, InvalidRequestError

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


def write_program(folder: Path, text: str) -> Peer:
    program, model = folder / "llama-server", folder / "model.gguf"
    program.write_text(text, encoding="utf-8")
    program.chmod(0o755)
    model.touch()
    return Peer(program, model)


@pytest.mark.parametrize("text", ["llama-server", "llama-server=", "vllm=/bin/vllm", "/usr/bin/llama-server", ""])
def test_a_peer_that_is_not_name_equals_path_is_refused_with_the_form(text: str) -> None:
    with pytest.raises(InvalidRequestError) as raised:
        parse_peer(text, None)

    assert raised.value.hint
    assert "--peer llama-server=PATH" in raised.value.hint


def test_a_peer_whose_program_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="absent"):
        parse_peer(f"llama-server={tmp_path / 'absent'}", None)


@runs_scripts
def test_a_peer_needs_its_model(tmp_path: Path) -> None:
    peer = write_program(tmp_path, STAND_IN)

    for model in (None, tmp_path / "absent.gguf"):
        with pytest.raises(InvalidRequestError) as raised:
            parse_peer(f"llama-server={peer.program}", model)
        assert raised.value.hint
        assert "--peer-model" in raised.value.hint
    assert parse_peer(f"llama-server={peer.program}", peer.model) == peer


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
