"""Servers that speak OpenAI's streamed chat completions: our host as users run it, and whoever is compared with it.

All sides are asked by the same code, in the same words, and what they write is counted by the same tokenizer.
The endpoint: https://platform.openai.com/docs/api-reference/chat/streaming
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import httpx2

from codex_windows_ai.bench.bench import Bench
from codex_windows_ai.bench.process import LONGEST_SECONDS, memory_bytes
from codex_windows_ai.bench.sides.llama_server import llama_server
from codex_windows_ai.bench.sides.ours import running_host
from codex_windows_ai.bench.sides.peers import OURS, Peer
from codex_windows_ai.bench.sides.side import Reply
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.errors import EngineError, NotAvailableError
from codex_windows_ai.protocol.json_values import as_object, object_in

GIVEN_UP = "given up"
"""The finish reason of an answer whose reader left."""
_CONNECT_SECONDS = 5.0
_END = "[DONE]"


@dataclass(frozen=True, slots=True)
class ChatQuestion:
    """A conversation to be continued greedily by at most `max_output_tokens` tokens.

    With `give_up_after` its reader leaves after so many pieces of the answer.
    """

    messages: Sequence[Mapping[str, str]]
    max_output_tokens: int
    give_up_after: int | None = None
    logprobs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ChatReply(Reply):
    """An answer as it was streamed; `tokens` are those of its text, as our tokenizer cuts it.

    `logprobs` has the bytes of each token that the server chose, and its log probability; nothing where it tells none.
    """

    writing_tokens: int
    """Tokens that came after the first piece of text, in the `writing_seconds` between that and the last piece."""
    writing_seconds: float
    logprobs: tuple[tuple[bytes, float], ...] = ()
    counted_input: int | None = None
    """Tokens that the server says it was given; None where it does not say."""


@dataclass
class _Stream:
    """What came so far; times are those of `time.perf_counter`."""

    pieces: list[tuple[float, str]] = field(default_factory=list[tuple[float, str]])
    logprobs: list[tuple[bytes, float]] = field(default_factory=list[tuple[bytes, float]])
    usage: dict[str, Any] = field(default_factory=dict[str, Any])
    finish_reason: str = ""

    def take(self, event: dict[str, Any]) -> None:
        """One event of the stream."""
        self.usage = as_object(event.get("usage")) or self.usage
        for choice in map(as_object, event.get("choices") or ()):
            delta = as_object(choice.get("delta"))
            text = "".join(delta.get(name) or "" for name in ("reasoning_content", "content"))
            if text:
                self.pieces.append((time.perf_counter(), text))
            for token in map(as_object, as_object(choice.get("logprobs")).get("content") or ()):
                spelled = bytes(token.get("bytes") or str(token.get("token", "")).encode())
                self.logprobs.append((spelled, float(token["logprob"])))
            self.finish_reason = choice.get("finish_reason") or self.finish_reason


class ChatServer:
    """A server at `address`; `memory` tells what its process takes, 0 where nobody knows."""

    def __init__(
        self,
        name: str,
        address: str,
        tokenizer: Tokenizer,
        memory: Callable[[], int],
        token: str | None = None,
    ) -> None:
        self.name = name
        self.memory_bytes = memory
        self._tokenizer = tokenizer
        self._model = ""
        self._client = httpx2.AsyncClient(
            base_url=address,
            timeout=httpx2.Timeout(LONGEST_SECONDS, connect=_CONNECT_SECONDS),
            headers={"authorization": f"Bearer {token}"} if token else None,
            trust_env=False,  # the environment's proxies are for other machines
            # Some servers close idle connections after a few seconds, maybe just when the next request is sent on one.
            limits=httpx2.Limits(max_keepalive_connections=0),
        )

    async def connect(self) -> None:
        """Finds out which model it serves. Raises EngineError: nobody answers there, or not with a list of models."""
        address = self._client.base_url
        try:
            answer = await self._client.get("/v1/models")
        except httpx2.HTTPError as error:
            raise EngineError(
                f"{self.name} does not answer at {address}: {str(error) or type(error).__name__}.",
                hint="Start it first; the bench starts no server that is named by its address.",
            ) from error
        models: Any = (object_in(answer.content) or {}).get("data")
        if answer.is_error or not isinstance(models, list) or not models:
            raise EngineError(
                f"{self.name} at {address} lists no models: `/v1/models` answered with status {answer.status_code}.",
                hint="The address must be that of a server that speaks OpenAI's chat completions.",
            )
        self._model = str(as_object(cast("list[Any]", models)[0]).get("id", ""))

    async def ask(self, agent: int, question: ChatQuestion) -> ChatReply:
        """The answer to the agent of that number.

        Raises NotAvailableError: it answered with an error. EngineError: it broke off, or never said that it was done.
        """
        body: dict[str, Any] = {
            "model": self._model,
            "messages": list(question.messages),
            "max_tokens": question.max_output_tokens,
            "temperature": 0,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if question.logprobs:
            body |= {"logprobs": True, "top_logprobs": 1}
        stream = _Stream()
        asked = time.perf_counter()
        try:
            await self._read(stream, body, f"agent {agent}", question.give_up_after)
        except httpx2.HTTPError as error:
            raise EngineError(f"{self.name} broke off: {str(error) or type(error).__name__}") from error
        total = time.perf_counter() - asked
        if not stream.finish_reason:
            raise EngineError(f"{self.name} ended a stream without saying why: the answer is not whole.")
        return self._reply(stream, question, asked, total)

    async def close(self) -> None:
        """Lets go of the connections."""
        await self._client.aclose()

    async def _read(self, stream: _Stream, body: dict[str, Any], agent: str, give_up_after: int | None) -> None:
        headers = {"session-id": agent}  # by which our host tells agents apart
        async with self._client.stream("POST", "/v1/chat/completions", json=body, headers=headers) as answer:
            if answer.is_error:
                self._refused(object_in(await answer.aread()) or {"error": answer.text})
            async for event in httpx2.EventSource(answer):
                if event.data in ("", _END):
                    continue
                content = object_in(event.data) or {"error": event.data}
                if "error" in content:
                    self._refused(content)
                stream.take(content)
                if give_up_after is not None and len(stream.pieces) >= give_up_after:
                    stream.finish_reason = GIVEN_UP
                    return

    def _refused(self, content: dict[str, Any]) -> None:
        error = content.get("error", content)
        said = as_object(error).get("message") or (error if isinstance(error, str) else json.dumps(error))
        raise NotAvailableError(f"{self.name} answered with an error: {said}")

    def _reply(self, stream: _Stream, question: ChatQuestion, asked: float, total: float) -> ChatReply:
        encode = self._tokenizer.encode_text
        text = "".join(piece for _, piece in stream.pieces)
        tokens = tuple(encode(text))
        times = [when for when, _ in stream.pieces]
        counted = stream.usage.get("prompt_tokens")
        details = as_object(stream.usage.get("prompt_tokens_details"))
        return ChatReply(
            first_token=times[0] - asked if times else total,
            total=total,
            tokens=tokens,
            text=text,
            input_tokens=counted or sum(len(encode(message["content"])) for message in question.messages),
            cached_tokens=details.get("cached_tokens") or 0,
            finish_reason=stream.finish_reason,
            writing_tokens=len(tokens) - len(encode(stream.pieces[0][1])) if times else 0,
            writing_seconds=times[-1] - times[0] if times else 0.0,
            logprobs=tuple(stream.logprobs),
            counted_input=counted,
        )


@asynccontextmanager
async def our_host(bench: Bench) -> AsyncGenerator[ChatServer]:
    """The host as users run it. Raises EngineError: it did not start."""
    async with running_host(bench) as host:
        record = host.record
        async with _connected(
            ChatServer(OURS, record.url, bench.tokenizer, host.worker.memory_bytes, record.read_token())
        ) as server:
            yield server


@asynccontextmanager
async def peer_server(bench: Bench, peer: Peer, *, slots: int, slot_tokens: int) -> AsyncGenerator[ChatServer]:
    """A peer where it listens, or started here with a slot for each agent. Raises EngineError: it does not answer."""
    if peer.program:
        async with (
            llama_server(bench.children, peer.program, slots=slots, slot_tokens=slot_tokens) as started,
            _connected(ChatServer(peer.name, started.address, bench.tokenizer, started.memory_bytes)) as server,
        ):
            yield server
    else:
        assert peer.address is not None  # noqa: S101  # a peer has one of both
        pid = peer.pid
        async with _connected(
            ChatServer(peer.name, peer.address, bench.tokenizer, lambda: memory_bytes(pid) if pid else 0)
        ) as server:
            yield server


@asynccontextmanager
async def _connected(server: ChatServer) -> AsyncGenerator[ChatServer]:
    try:
        await server.connect()
        yield server
    finally:
        await server.close()
