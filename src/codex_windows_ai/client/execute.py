"""A prompt answered on this machine: the one call behind `cwai exec --use-windows-ai`."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass, replace

from codex_windows_ai.client.answer_stream import stream_answer
from codex_windows_ai.client.http import HostClient
from codex_windows_ai.client.starter import ensure_host
from codex_windows_ai.discovery.record import HostRecord
from codex_windows_ai.errors import (
    ChannelClosedError,
    EngineClosedError,
    EngineError,
    HostUnreachableError,
    InvalidRequestError,
)
from codex_windows_ai.models.progress import Progress
from codex_windows_ai.protocol.answer import Delta, FinishReason, ReasoningPiece, Timings, Usage
from codex_windows_ai.protocol.request import GenerationRequest, Message, SamplingParameters
from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.settings import Settings, load_settings

__all__ = ["WindowsAiAnswer", "execute_with_windows_ai"]

_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class WindowsAiAnswer:
    """An answer, who gave it, and what it took; `load_ms` is the time until the model was ready.

    `reasoning` is what a thinking model thought before it answered.
    """

    text: str
    source: AnswerSource
    finish_reason: FinishReason
    usage: Usage
    timings: Timings
    load_ms: float
    reasoning: str = ""


async def execute_with_windows_ai(
    prompt: str,
    use_kernel_driver: bool = False,
    *,
    settings: Settings | None = None,
    system: str | None = None,
    sampling: SamplingParameters | None = None,
    max_output_tokens: int | None = None,
    progress: Progress | None = None,
    on_source: Callable[[AnswerSource], None] | None = None,
    on_text: Callable[[str], None] | None = None,
    on_reasoning: Callable[[str], None] | None = None,
    cancel: asyncio.Event | None = None,
) -> WindowsAiAnswer:
    """Answer `prompt` with the model of this machine: of its host, which is started where none runs.

    To load a model inside this process instead, use `WindowsAiRuntime`.

    `progress(stage, done, total)` is called, from any thread, while a host is started and its model
    fetched and loaded; `on_source` once it is known who answers; `on_text` with each piece of text
    as it comes, `on_reasoning` with what the model thinks before it. Setting `cancel` ends the answer
    where it is, with the finish reason `cancelled`.

    With `use_kernel_driver` (or the setting `kernel_accelerated`) request and answer travel over shared
    memory: on Windows ai_driver.sys chooses the runtime and makes the channel, on Linux the host does.

    Raises NotAvailableError: the kernel path was asked for and this machine has none; never a silent detour.
    Raises InvalidRequestError: the prompt is empty or does not fit the model.
    Raises ModelError, StorageError, EngineError: the model cannot be had, or failed.
    Raises HostStartError, HostUnreachableError: there is no host, or it died while it answered.
    """
    settings = settings or load_settings()
    if not prompt.strip():
        raise InvalidRequestError("The prompt is empty.", hint="Say what the model should answer.")
    roles = ((Message("system", system),) if system else ()) + (Message("user", prompt),)
    request = GenerationRequest(
        messages=roles, sampling=sampling or SamplingParameters(), max_output_tokens=max_output_tokens
    )
    kernel = use_kernel_driver or settings.kernel_accelerated
    started = time.perf_counter()
    # A host that ends by itself just now is found and gone a moment later; the next one is found, then.
    attempts = _ATTEMPTS
    while True:
        attempts -= 1
        record = await ensure_host(settings, progress=progress, keep=False)
        load_ms = (time.perf_counter() - started) * 1000
        answer = _Collected(on_source, on_text, on_reasoning)
        asked = replace(request, model=record.models[0])
        ask = _ask_over_channel(asked, cancel) if kernel else _ask_over_http(record, asked, cancel)
        try:
            async with aclosing(ask) as pieces:
                async for piece in pieces:
                    answer.add(piece)
        except (HostUnreachableError, ChannelClosedError, EngineClosedError):
            if answer.begun or not attempts:
                raise
        else:
            return answer.whole(load_ms)


async def _ask_over_http(
    record: HostRecord, request: GenerationRequest, cancel: asyncio.Event | None
) -> AsyncGenerator[AnswerSource | Delta]:
    async with HostClient(record, agent=f"cwai-{uuid.uuid4().hex}") as client:
        await client.authenticate()
        async with aclosing(stream_answer(client, request, cancel=cancel)) as pieces:
            async for piece in pieces:
                yield piece


async def _ask_over_channel(
    request: GenerationRequest, cancel: asyncio.Event | None
) -> AsyncGenerator[AnswerSource | Delta]:
    from codex_windows_ai.client.connect import connect  # a tenth of a second that HTTP does without

    async with (
        await connect(request, request.model or "") as client,
        aclosing(client.stream(request, cancel=cancel)) as pieces,
    ):
        async for piece in pieces:
            yield piece


class _Collected:
    """An answer as far as it has come."""

    def __init__(
        self,
        on_source: Callable[[AnswerSource], None] | None,
        on_text: Callable[[str], None] | None,
        on_reasoning: Callable[[str], None] | None,
    ) -> None:
        self._on_source = on_source
        self._on_text = on_text
        self._on_reasoning = on_reasoning
        self._thoughts: list[str] = []
        self._source: AnswerSource | None = None
        self._pieces: list[str] = []
        self._last = Delta()

    @property
    def begun(self) -> bool:
        """The caller has heard something of it."""
        return self._source is not None

    def add(self, piece: AnswerSource | Delta) -> None:
        if isinstance(piece, AnswerSource):
            self._source = piece
            if self._on_source:
                self._on_source(piece)
            return
        self._last = piece
        for thought in (part.text for part in piece.parts if isinstance(part, ReasoningPiece)):
            self._thoughts.append(thought)
            if self._on_reasoning:
                self._on_reasoning(thought)
        if piece.text:
            self._pieces.append(piece.text)
            if self._on_text:
                self._on_text(piece.text)

    def whole(self, load_ms: float) -> WindowsAiAnswer:
        last = self._last
        if not (self._source and last.finish_reason and last.usage and last.timings):
            raise EngineError("The answer broke off: its last piece came without a finish reason, usage and timings.")
        text, thoughts = "".join(self._pieces), "".join(self._thoughts)
        return WindowsAiAnswer(text, self._source, last.finish_reason, last.usage, last.timings, load_ms, thoughts)
