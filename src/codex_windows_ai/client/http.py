"""Talks to the running host."""

from __future__ import annotations

import secrets
import ssl
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self

import httpx2

from codex_windows_ai.discovery.proof import prove
from codex_windows_ai.discovery.record import HostRecord
from codex_windows_ai.errors import HostUnreachableError, WindowsAiError
from codex_windows_ai.protocol.json_values import object_in
from codex_windows_ai.protocol.wire_errors import error_from_body

_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 10.0
_JSON = {"content-type": "application/json"}
_SILENCE_SECONDS = 120.0
"""Longer than any pause of a stream that is alive: it has heartbeats."""


class HostClient:
    """A connection to one host; an asynchronous context manager.

    `patience` is how many seconds it may take to say how it is. `agent` names who asks, for fairness
    between agents and to cancel what it asked for; without it that is this process.
    Every call raises HostUnreachableError when the host does not answer (any more), and the error
    that the host tells of, as the class it is of there.
    """

    def __init__(self, record: HostRecord, *, patience: float = _ANSWER_SECONDS, agent: str | None = None) -> None:
        self._record = record
        self._token = record.read_token()
        self._http = httpx2.AsyncClient(
            base_url=record.url,
            timeout=httpx2.Timeout(patience, connect=_CONNECT_SECONDS),
            headers={"session-id": agent} if agent else None,
            # No TLS on this machine: a context that trusts nobody spares reading the world's certificates (40 ms).
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            trust_env=False,  # a proxy has no business between two programs of this machine
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def authenticate(self) -> None:
        """Makes sure that it is the host who listens there, before it is shown the token.

        Raises HostUnreachableError: nobody listens, or somebody who does not know the token.
        """
        challenge = secrets.token_urlsafe(16)
        with self._unreachable():
            answer = await self._http.get("/health", params={"challenge": challenge})
        if (object_in(answer.content) or {}).get("proof") != prove(self._token, challenge):
            raise HostUnreachableError(
                f"Whoever listens on {self._record.url} is not the host: it does not know the host's token.",
                hint="`cwai stop` and then `cwai serve` start a new host.",
            )
        self._http.headers["authorization"] = f"Bearer {self._token}"

    async def ready(self) -> dict[str, Any]:
        """The host's state: `state`, while loading `stage`, `done` and `total`, after a failure `error`."""
        with self._unreachable():
            return object_in((await self._http.get("/ready")).content) or {}

    async def load(self) -> None:
        """Asks a host that could not load its model to try again."""
        with self._unreachable():
            _checked(await self._http.post("/load"))

    async def status(self) -> dict[str, Any]:
        """The host's state and figures."""
        with self._unreachable():
            return _checked(await self._http.get("/status"))

    async def statistics(self) -> dict[str, Any]:
        """What the host does now, agent by agent."""
        with self._unreachable():
            return _checked(await self._http.get("/statistics"))

    async def view_code(self) -> tuple[str, float]:
        """A code that opens the live page once, and for how many seconds it can."""
        with self._unreachable():
            answer = _checked(await self._http.post("/view/codes"))
        return str(answer["code"]), float(answer["seconds"])

    async def shutdown(self) -> None:
        """Asks the host to end."""
        with self._unreachable():
            _checked(await self._http.post("/shutdown"))

    async def get(self, path: str) -> dict[str, Any]:
        """What the host answers to a request without a body; it waits for a model that is loading."""
        with self._unreachable():
            return _checked(await self._http.get(path, timeout=_SILENCE_SECONDS))

    async def post(self, path: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """What the host answers to a request that is not streamed."""
        with self._unreachable():
            return _checked(await self._http.post(path, json=body, timeout=_SILENCE_SECONDS))

    async def stream(self, path: str, body: bytes) -> AsyncGenerator[tuple[str, str]]:
        """The events of a streamed answer to a JSON body, each its name and its data.

        Closing the generator closes the stream, which cancels the answer.
        """
        timeout = httpx2.Timeout(_SILENCE_SECONDS, connect=_CONNECT_SECONDS)
        with self._unreachable():
            async with self._http.stream("POST", path, content=body, headers=_JSON, timeout=timeout) as answer:
                if answer.is_error:
                    await answer.aread()
                    _checked(answer)
                async for event in httpx2.EventSource(answer):
                    if event.data:
                        yield event.event, event.data

    @contextmanager
    def _unreachable(self) -> Generator[None]:
        try:
            yield
        except httpx2.TransportError as error:
            raise HostUnreachableError(
                f"The host at {self._record.url} does not answer: {str(error) or type(error).__name__}.",
                hint="Ask again: where it has ended, a new one is started. Where it hangs, `cwai stop` ends it.",
            ) from error


def _checked(answer: httpx2.Response) -> dict[str, Any]:
    body = object_in(answer.content) or {}
    if answer.is_error:
        raise error_from_body(body) or WindowsAiError(f"The host answered with HTTP status {answer.status_code}.")
    return body
