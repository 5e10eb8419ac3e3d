"""Which agent a request comes from, so that the engine is fair between agents and not between requests."""

from __future__ import annotations

from starlette.requests import HTTPConnection

_HEADERS = ("session-id", "thread-id", "mcp-session-id")
_LONGEST = 128


def agent_of(request: HTTPConnection) -> str:
    """The agent's name: its Codex session or thread, its MCP session, else its connection.

    A name is a claim: it divides the engine's time between programs of one user, it grants nothing.
    """
    for header in _HEADERS:
        if value := request.headers.get(header, "").strip():
            return f"{header}:{value[:_LONGEST]}"
    return f"connection:{request.client.host}:{request.client.port}" if request.client else "connection"
