"""A server of chat completions whose every word is scripted: the far end of a comparison, over real HTTP."""

from __future__ import annotations

import json
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

END = "[DONE]"


def chunk(text: str | None = None, *, finish: str | None = None, logprobs: Any = None) -> dict[str, Any]:
    """One event of a stream."""
    delta = {} if text is None else {"content": text}
    return {"choices": [{"index": 0, "delta": delta, "logprobs": logprobs, "finish_reason": finish}]}


@dataclass
class FakePeer:
    """What it answers, and what it was asked; `address` once it runs."""

    words: int = 3
    """Of every answer, each a piece of its own; never more than `max_tokens`."""
    events: list[Any] | None = None
    """Sent instead of an answer; it ends as if its process had died where that has no END."""
    refuses: tuple[int, str] | None = None
    """Refuses questions of more characters, with this message."""
    refuses_logprobs: bool = False
    models: list[dict[str, str]] = field(default_factory=lambda: [{"id": "theirs"}])
    asked: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    address: str = ""

    def answer(self, body: dict[str, Any]) -> list[Any]:
        words = [f" hello{number}" for number in range(min(self.words, body["max_tokens"]))]
        usage = {"prompt_tokens": 10_000, "prompt_tokens_details": {"cached_tokens": 7}}
        return [*map(chunk, words), chunk(finish="length"), {"choices": [], "usage": usage}, END]

    @contextmanager
    def running(self) -> Generator[FakePeer]:
        with ThreadingHTTPServer(("127.0.0.1", 0), self._handler()) as server:
            self.address = f"http://127.0.0.1:{server.server_port}"
            thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
            thread.start()
            try:
                yield self
            finally:
                server.shutdown()
                thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        peer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._send(200, {"data": peer.models})

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                peer.asked.append(body)
                characters = sum(len(message["content"]) for message in body["messages"])
                if peer.refuses and characters > peer.refuses[0]:
                    self._send(400, {"error": {"message": peer.refuses[1]}})
                elif peer.refuses_logprobs and "logprobs" in body:
                    self._send(400, {"error": "no log probabilities here"})
                else:
                    self._stream(peer.answer(body) if peer.events is None else peer.events)

            def _stream(self, events: list[Any]) -> None:
                self.send_response(200)
                self.send_header("content-type", "text/event-stream")
                if END not in events:  # more is promised than comes
                    self.send_header("content-length", "1000000")
                self.end_headers()
                for event in events:
                    data = event if isinstance(event, str) else json.dumps(event)
                    self.wfile.write(f"data: {data}\n\n".encode())
                self.close_connection = True

            def _send(self, status: int, value: Any) -> None:
                self.send_response(status)
                self.end_headers()
                self.wfile.write(json.dumps(value).encode())

            def log_message(self, format: str, *args: Any) -> None:
                pass

        return Handler
