"""A prompt answered on this machine: the one call behind `cwai exec --use-windows-ai`."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codex_windows_ai.engine.request import (
    FinishReason,
    GenerationRequest,
    Message,
    SamplingParameters,
    Timings,
    Usage,
)
from codex_windows_ai.errors import EngineError, InvalidRequestError, NotAvailableError
from codex_windows_ai.models.progress import Progress
from codex_windows_ai.settings import Settings, load_settings
from codex_windows_ai.windows_ai.runtime import AnswerSource, WindowsAiRuntime

if TYPE_CHECKING:
    from codex_windows_ai.engine.generation import Generation

__all__ = ["WindowsAiAnswer", "execute_with_windows_ai"]


@dataclass(frozen=True, slots=True)
class WindowsAiAnswer:
    """An answer, who gave it, and what it took; `load_ms` is the time until the model was ready."""

    text: str
    source: AnswerSource
    finish_reason: FinishReason
    usage: Usage
    timings: Timings
    load_ms: float


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
    cancel: asyncio.Event | None = None,
) -> WindowsAiAnswer:
    """Answer `prompt` with the model of this machine.

    `progress(stage, done, total)` is called, from any thread, while a model is fetched and loaded;
    `on_source` once it is known who answers; `on_text` with each piece of text as it comes.
    Setting `cancel` ends the answer where it is, with the finish reason `cancelled`.

    Raises NotAvailableError: the kernel path was asked for, which does not exist yet.
    Raises InvalidRequestError: the prompt is empty or does not fit the model.
    Raises ModelError, StorageError, EngineError: the model cannot be had, or failed.
    """
    settings = settings or load_settings()
    if use_kernel_driver or settings.kernel_accelerated:
        raise NotAvailableError(
            "The kernel-accelerated path is not available: this version has no driver and no shared-memory channel.",
            hint="Leave out --kernel-accelerated (or the setting `kernel_accelerated`): "
            "the same model then answers inside this process.",
        )
    if not prompt.strip():
        raise InvalidRequestError("The prompt is empty.", hint="Say what the model should answer.")
    roles = ((Message("system", system),) if system else ()) + (Message("user", prompt),)
    request = GenerationRequest(
        messages=roles, sampling=sampling or SamplingParameters(), max_output_tokens=max_output_tokens
    )
    started = time.perf_counter()
    async with WindowsAiRuntime(settings, progress=progress) as runtime:
        source = await runtime.open()
        load_ms = (time.perf_counter() - started) * 1000
        if on_source:
            on_source(source)
        return await _collect(runtime.stream(request), source, load_ms, on_text, cancel)


async def _collect(
    generation: Generation,
    source: AnswerSource,
    load_ms: float,
    on_text: Callable[[str], None] | None,
    cancel: asyncio.Event | None,
) -> WindowsAiAnswer:
    canceller = asyncio.create_task(_cancel_on(cancel, generation)) if cancel else None
    pieces: list[str] = []
    last = None
    try:
        async for delta in generation:
            if delta.text:
                pieces.append(delta.text)
                if on_text:
                    on_text(delta.text)
            last = delta
    finally:
        if canceller:
            canceller.cancel()
        generation.cancel()  # without effect on an answer that is complete
    if not (last and last.finish_reason and last.usage and last.timings):
        raise EngineError("The answer broke off: its last piece came without a finish reason, usage and timings.")
    return WindowsAiAnswer("".join(pieces), source, last.finish_reason, last.usage, last.timings, load_ms)


async def _cancel_on(cancel: asyncio.Event, generation: Generation) -> None:
    await cancel.wait()
    generation.cancel()
