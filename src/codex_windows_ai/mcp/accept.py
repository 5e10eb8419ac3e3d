"""Answers in a kind that the client accepts, where the SDK insists that it accept both.

A POST is answered with one JSON text or with a stream of events, whose last one is the answer. The SDK chooses; where
the client does not take what it chose, the answer is repacked: as JSON without the notifications before it, or as a
stream of one event. What refuses a request (status 400 and above) is JSON always.
"""

from __future__ import annotations

import json

from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codex_windows_ai.protocol.json_rpc import INTERNAL_ERROR, INVALID_REQUEST, error_line

JSON, EVENTS = "application/json", "text/event-stream"


def accepted_kinds(header: str) -> frozenset[str]:
    """Which of the two kinds an `Accept` header lets us answer with: https://www.rfc-editor.org/rfc/rfc9110#name-accept.

    No header, or one that names no kind at all, accepts both.
    """
    ranges: dict[str, float] = {}
    for part in header.lower().split(","):
        kind, *parameters = (piece.strip() for piece in part.split(";"))
        kind = "*/*" if kind == "*" else kind
        if "/" in kind:
            ranges[kind] = max(ranges.get(kind, 0.0), _quality(parameters))
    return frozenset(kind for kind in (JSON, EVENTS) if not ranges or _quality_of(kind, ranges) > 0)


class AcceptedKinds:
    """Lets every client speak to `app` that accepts anything which it could be answered with."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves one request."""
        headers = MutableHeaders(scope=scope)
        kinds = accepted_kinds(",".join(headers.getlist("accept")))
        if scope["method"] != "POST":
            headers["accept"] = ", ".join(kinds)
        elif not kinds:
            await _not_acceptable()(scope, receive, send)
            return
        else:
            headers["accept"] = f"{JSON}, {EVENTS}"
            if EVENTS not in kinds:
                send = _AsJson(send)
            elif JSON not in kinds:
                send = _AsEvents(send)
        await self._app(scope, receive, send)


class _AsJson:
    """Sends a stream's last event, the answer, as JSON."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._events = bytearray()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _kind_of(message) == EVENTS:
            self._start = message
        elif self._start is None or message["type"] != "http.response.body":
            await self._send(message)
        else:
            self._events += message.get("body", b"")
            if not message.get("more_body", False):
                await self._send_answer(self._start)

    async def _send_answer(self, start: Message) -> None:
        answer = _last_answer(bytes(self._events))
        if answer is None:
            start["status"] = 500
            answer = error_line(None, INTERNAL_ERROR, "The session ended before the answer.")
        await _send_whole(self._send, start, JSON, answer)


class _AsEvents:
    """Sends a JSON answer as a stream of one event."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._start: Message | None = None
        self._body = bytearray()

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] == 200 and _kind_of(message) == JSON:
            self._start = message
        elif self._start is None or message["type"] != "http.response.body":
            await self._send(message)
        else:
            self._body += message.get("body", b"")
            if not message.get("more_body", False):
                event = b"event: message\r\ndata: " + self._body + b"\r\n\r\n"
                await _send_whole(self._send, self._start, EVENTS, event)


async def _send_whole(send: Send, start: Message, kind: str, body: bytes) -> None:
    headers = MutableHeaders(scope=start)
    headers["content-type"] = kind
    headers["content-length"] = str(len(body))
    await send(start)
    await send({"type": "http.response.body", "body": body})


def _kind_of(start: Message) -> str:
    return MutableHeaders(scope=start).get("content-type", "").split(";")[0].strip().lower()


def _last_answer(events: bytes) -> bytes | None:
    """The last message that is no request and no notification."""
    for event in reversed(events.replace(b"\r\n", b"\n").split(b"\n\n")):
        data = b"\n".join(line[5:].lstrip(b" ") for line in event.split(b"\n") if line.startswith(b"data:"))
        if data and "method" not in json.loads(data):
            return data
    return None


def _not_acceptable() -> Response:
    message = f"A request is answered with {JSON} or {EVENTS}. Name one of them in its `Accept` header, or send none."
    return Response(error_line(None, INVALID_REQUEST, message), 406, media_type=JSON)


def _quality_of(kind: str, ranges: dict[str, float]) -> float:
    """That of the most specific range which holds the kind."""
    holding = (kind, f"{kind.split('/')[0]}/*", "*/*")
    return next((ranges[each] for each in holding if each in ranges), 0.0)


def _quality(parameters: list[str]) -> float:
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            try:
                return float(value)
            except ValueError:
                break
    return 1.0
