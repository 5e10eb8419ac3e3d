"""The door as clients reach it that are not made with an SDK: plain HTTP."""

from __future__ import annotations

import json
from typing import Any

import httpx2

from tests.hosting import TOKEN

SESSIONS = ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"]
STATELESS = "2026-07-28"
PREFIX = "io.modelcontextprotocol"


class RawClient:
    """Posts messages in one protocol version; with `accept` None it sends no such header."""

    def __init__(self, http: httpx2.Client, version: str, accept: str | None = "application/json, text/event-stream"):
        self.http = http
        self.version = version
        self.accept = accept
        self.session: str | None = None

    def post(self, body: bytes, **headers: str) -> httpx2.Response:
        request = self.http.build_request("POST", "/mcp", content=body)
        return self.send(request, **headers)

    def send(self, request: httpx2.Request, **headers: str) -> httpx2.Response:
        del request.headers["accept"]
        own = {"accept": self.accept, "mcp-session-id": self.session, "authorization": f"Bearer {TOKEN}"}
        request.headers.update({name: value for name, value in own.items() if value is not None})
        request.headers.update({name.replace("_", "-"): value for name, value in headers.items()})
        return self.http.send(request)

    def ask(self, method: str, request_id: int | str = 1, **parameters: Any) -> httpx2.Response:
        message: dict[str, Any] = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": parameters}
        headers = {"content-type": "application/json"}
        if self.version == STATELESS:
            meta: dict[str, Any] = {f"{PREFIX}/protocolVersion": self.version, f"{PREFIX}/clientCapabilities": {}}
            parameters["_meta"] = {**parameters.get("_meta", {}), **meta}
            headers |= {"mcp-protocol-version": self.version, "mcp-method": method}
            headers |= {"mcp-name": parameters["name"]} if "name" in parameters else {}
        return self.post(json.dumps(message).encode(), **headers)

    def open(self) -> httpx2.Response | None:
        """Begins a session, where the version has sessions."""
        if self.version == STATELESS:
            return None
        answer = self.initialize()
        self.session = answer.headers["mcp-session-id"]
        return answer

    def initialize(self) -> httpx2.Response:
        return self.ask(
            "initialize", protocolVersion=self.version, capabilities={}, clientInfo={"name": "test", "version": "1"}
        )


def answer_in(response: httpx2.Response) -> dict[str, Any]:
    """The last message of an answer of either kind."""
    if response.headers["content-type"].startswith("text/event-stream"):
        lines = [line for line in response.text.splitlines() if line.startswith("data:")]
        return json.loads(lines[-1].removeprefix("data:"))
    return response.json()
