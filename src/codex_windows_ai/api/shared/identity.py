"""Which agent a request comes from, so that the engine is fair between agents and not between requests."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import Scope

PEER = "codex_windows_ai.peer"
"""Where a request's scope says which process of this machine sent it, if the host found out."""

_HEADERS = ("session-id", "thread-id", "mcp-session-id")
_LONGEST = 128


def agent_of(request: HTTPConnection) -> str:
    """The agent's name: its Codex session or thread, its MCP session, else its process, else the machine it is on.

    A name is a claim: it divides the engine's time between programs of one user, it grants nothing.
    """
    if name := _own_name(request.headers):
        return name
    if process := request.scope.get(PEER):
        return f"process:{process}"
    return f"address:{request.client.host}" if request.client else "connection"


def names_itself(scope: Scope) -> bool:
    """Whether a request says which agent sent it."""
    return _own_name(Headers(scope=scope)) is not None


def _own_name(headers: Headers) -> str | None:
    for header in _HEADERS:
        if value := headers.get(header, "").strip():
            return f"{header}:{value[:_LONGEST]}"
    return None
