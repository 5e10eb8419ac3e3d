"""`cwai exec` hands over to the real Codex CLI, which asks a model server of this test."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import cwai

ANSWER = "forty-two"


class ModelServer(HTTPServer):
    """Answers every request in the Responses API with the same words, and keeps what it was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.requests: list[dict[str, Any]] = []


class Handler(BaseHTTPRequestHandler):
    server: ModelServer

    def do_POST(self) -> None:
        self.server.requests.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        message = {
            "type": "message",
            "id": "msg_1",
            "role": "assistant",
            "content": [{"type": "output_text", "text": ANSWER}],
        }
        usage = {"input_tokens": 1, "output_tokens": 1, "total_tokens": 2}
        events = [
            {"type": "response.created", "response": {"id": "resp_1"}},
            {"type": "response.output_item.done", "output_index": 0, "item": message},
            {"type": "response.completed", "response": {"id": "resp_1", "usage": usage}},
        ]
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()
        for event in events:
            self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with ModelServer() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def codex_home(server: ModelServer, tmp_path: Path) -> Path:
    """A Codex configuration that asks the test's server and nobody else."""
    (tmp_path / "config.toml").write_text(
        'model = "test"\nmodel_provider = "test"\nanalytics.enabled = false\nfeatures.plugins = false\n'
        'projects."/".trust_level = "trusted"\n'
        "[model_providers.test]\n"
        f'name = "test"\nbase_url = "http://127.0.0.1:{server.server_port}/v1"\nwire_api = "responses"\n',
        encoding="utf-8",
    )
    return tmp_path


def test_the_real_codex_gets_the_prompt_and_answers(server: ModelServer, codex_home: Path) -> None:
    ran = cwai("exec", "What is six times seven? é", environment={"CODEX_HOME": str(codex_home)})

    assert (ran.exit_code, ran.stdout) == (0, f"{ANSWER}\n"), ran.stderr
    asked = [part["text"] for item in server.requests[0]["input"] for part in item.get("content", [])]
    assert asked[-1] == "What is six times seven? é"


def test_json_is_codexs_own_stream(server: ModelServer, codex_home: Path) -> None:
    ran = cwai("exec", "--json", "--model", "other", "hi", environment={"CODEX_HOME": str(codex_home)})

    events = [json.loads(line) for line in ran.stdout.splitlines()]
    assert events[-1]["type"] == "turn.completed"
    assert server.requests[0]["model"] == "other"
