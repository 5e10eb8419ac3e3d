"""POST /generate: a `GenerationRequest` in, and out a stream of who answers and the answer's pieces.

It is the same request that the shared-memory channel carries, in the same JSON. Events are called `source`, `delta`
and `error`, and hold what the channel's messages of that kind do; `alive` says that the answer is being worked on.
"""

from __future__ import annotations

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from codex_windows_ai.api.shared.endpoint import Event, Question, answer
from codex_windows_ai.api.shared.identity import agent_of
from codex_windows_ai.api.shared.parsing import read_request
from codex_windows_ai.errors import WindowsAiError
from codex_windows_ai.protocol.answer import Delta
from codex_windows_ai.protocol.codec import encode_delta, encode_error, encode_source
from codex_windows_ai.protocol.large_requests import beside
from codex_windows_ai.protocol.source import AnswerSource

PATH = "/generate"


class NativeWriter:
    """Writes one answer as what it is; its tokens only where their probabilities were asked for."""

    def __init__(self, *, tokens: bool) -> None:
        self._tokens = tokens
        self._source: AnswerSource | None = None

    def answered_by(self, source: AnswerSource) -> None:
        """Says who answers, before the answer's first piece."""
        self._source = source

    def begin(self) -> list[Event]:
        """A sign of life."""
        return self.heartbeat()

    def heartbeat(self) -> list[Event]:
        """A sign of life."""
        return [("alive", "{}")]

    def add(self, delta: Delta) -> list[Event]:
        """The piece, behind the source where it is the first one."""
        source, self._source = self._source, None
        events: list[Event] = []
        if source is not None:
            events.append(("source", encode_source(replace(source, transport="http")).decode()))
        return [*events, ("delta", encode_delta(delta, tokens=self._tokens).decode())]

    def fail(self, error: WindowsAiError) -> list[Event]:
        """The error; nothing follows it."""
        return [("error", encode_error(error).decode())]

    def whole(self) -> object:
        """Our own programs stream."""
        raise NotImplementedError


async def generate(request: Request) -> Response:
    """Answers one request of a program of ours; the agent is the connection's, whatever the request says."""
    payload = await request.body()
    asked = await beside(len(payload), read_request, payload)
    asked = replace(asked, agent=agent_of(request))
    writer = NativeWriter(tokens=asked.top_logprobs is not None)
    return await answer(request, Question(asked), writer, operation="generate", stream=True)


routes = [Route(PATH, generate, methods=["POST"])]
