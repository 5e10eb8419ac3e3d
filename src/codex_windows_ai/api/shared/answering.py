"""From a door to the engine and back: one request, measured, and cancelled when nobody wants it any more."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing

from codex_windows_ai.api.openai.models import check_model
from codex_windows_ai.protocol.answer import Delta
from codex_windows_ai.protocol.request import GenerationRequest
from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.serving.metrics import Operation
from codex_windows_ai.serving.state import Host


async def answer_deltas(
    host: Host,
    request: GenerationRequest,
    *,
    model: str,
    operation: Operation,
    on_source: Callable[[AnswerSource], None],
) -> AsyncGenerator[Delta]:
    """The engine's answer, behind an empty delta once the request was accepted; closing it cancels the request.

    Waits for the model to be loaded; `on_source` hears who answers this request.

    Raises ModelNotFoundError: the caller wants another model than the one that is here. Otherwise as
    `Host.runtime` and `WindowsAiRuntime.stream` do, and while iterating as `Generation` does.
    """
    runtime = await host.runtime()
    check_model(model, runtime)
    with host.metrics.measure(runtime.source, operation) as measurement:
        generation = await runtime.submit(request)
        measurement.source = generation.source
        on_source(generation.source)
        async with aclosing(generation):
            with host.answering(request.agent, generation):
                yield Delta()
                async for delta in generation:
                    measurement.usage, measurement.timings = delta.usage, delta.timings
                    yield delta
