"""What endpoints get of a host: where they ask, and nothing that ends or changes it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractContextManager, aclosing, asynccontextmanager, contextmanager

from codex_windows_ai.models.names import match_name
from codex_windows_ai.protocol.answer import Delta
from codex_windows_ai.protocol.request import GenerationRequest
from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.protocol.statistics import EngineStatistics
from codex_windows_ai.serving.activity import Activity
from codex_windows_ai.serving.metrics import Measurement, Metrics
from codex_windows_ai.serving.models import ModelRegistry
from codex_windows_ai.serving.served_model import ServedModel, served_models
from codex_windows_ai.windows_ai.answer import Answer


class Desk:
    """Takes the requests of all endpoints; over HTTP it is at `request.app.state.desk`.

    Where a model is named, None is the default one. Whatever needs a model waits until it is loaded, and raises as
    `ModelRegistry.runtime` does.
    """

    def __init__(self, models: ModelRegistry, activity: Activity, metrics: Metrics) -> None:
        self._models = models
        self._activity = activity
        self._metrics = metrics
        self._answers: list[tuple[str, Answer]] = []

    @property
    def ready(self) -> bool:
        """Whether requests are answered at once; else the first one waits until its model is loaded."""
        return self._models.loaded() is not None

    def served(self) -> tuple[str, ...]:
        """Names of the models that are loaded, the one that answers first at the head; never waits."""
        return self._models.served()

    async def models(self) -> tuple[ServedModel, ...]:
        """What is served, once it is loaded; the one that answers first at the head."""
        return served_models(await self._models.runtime())

    async def model(self, name: str) -> ServedModel:
        """One of those. Raises ModelNotFoundError: it is not served here."""
        found = {model.name: model for model in served_models(await self._models.runtime(name))}
        return found[match_name(name, tuple(found)) or name]

    async def generate(
        self,
        request: GenerationRequest,
        *,
        operation: str,
        on_source: Callable[[AnswerSource], None],
    ) -> AsyncGenerator[Delta]:
        """The answer, behind an empty delta once the request was accepted; closing it cancels the request.

        `operation` is the endpoint's name in the metrics. `on_source` hears who answers this request. Raises as
        `submit`, and while iterating as `Generation` does.
        """
        async with self.submit(request, operation=operation) as (answer, measurement):
            on_source(answer.source)
            yield Delta()
            async for delta in answer:
                measurement.add(delta)
                yield delta

    @asynccontextmanager
    async def submit(self, request: GenerationRequest, *, operation: str) -> AsyncGenerator[tuple[Answer, Measurement]]:
        """The answer itself, for an endpoint with a way of its own to read it, and what counts it.

        The endpoint gives the measurement what it reads, the last piece at least. The answer is cancelled when the
        block ends before it, and by `cancel` meanwhile.

        Raises ModelNotFoundError: no model of that name is served. Otherwise as `WindowsAiRuntime.stream`.
        """
        runtime = await self._models.runtime(request.model)
        with self._metrics.measure(runtime.source, operation) as measurement:
            answer = await runtime.submit(request)
            measurement.source = answer.source
            async with aclosing(answer):
                with self._answering(request.agent, answer):
                    yield answer, measurement

    async def count_tokens(self, request: GenerationRequest) -> int:
        """How many tokens the prompt of a request has. Raises as `submit`, but for the queue."""
        runtime = await self._models.runtime(request.model)
        return await runtime.count_tokens(request)

    def serving(self, agent: str) -> AbstractContextManager[None]:
        """Around a request of `agent`: while it runs the host is not idle."""
        return self._activity.serving(agent)

    def cancel(self, agent: str) -> int:
        """Ends the answers to `agent` where they are, so that they still say what they took; returns how many."""
        answers = [answer for other, answer in self._answers if other == agent]
        for answer in answers:
            answer.cancel()
        return len(answers)

    def statistics(self, model: str | None = None) -> EngineStatistics | None:
        """The figures of a model's engine; None until it is loaded, and where Windows' own model answers alone."""
        return self._models.statistics(model)

    @contextmanager
    def _answering(self, agent: str, answer: Answer) -> Generator[None]:
        entry = (agent, answer)
        self._answers.append(entry)
        try:
            yield
        finally:
            self._answers.remove(entry)
