"""Who answers on this machine, and why not somebody better."""

from __future__ import annotations

import asyncio
import sys
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

from codex_windows_ai.engine.request import GenerationRequest, SamplingParameters
from codex_windows_ai.errors import EngineError, NotAvailableError
from codex_windows_ai.hardware.cpu import read_cpu
from codex_windows_ai.models.progress import Progress
from codex_windows_ai.models.store import ModelStore
from codex_windows_ai.settings import Settings, load_settings
from codex_windows_ai.windows_ai.actions import BUILT_IN, Action, messages_for

if TYPE_CHECKING:
    from codex_windows_ai.engine.engine import Engine
    from codex_windows_ai.engine.generation import Generation
    from codex_windows_ai.engine.statistics import EngineStatistics
    from codex_windows_ai.models.folder import ModelFolder


@dataclass(frozen=True, slots=True)
class AnswerSource:
    """Who answers. `refused` names what would have been preferred, each with the reason against it."""

    provider: str
    device: str
    execution_provider: str
    model: str
    transport: str
    refused: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class GpuPath:
    """The library of the best GPU execution provider; `os.fspath` gives its path."""

    library: Path
    execution_provider: str
    adapter: str
    reason: str

    def __fspath__(self) -> str:
        return str(self.library)


class WindowsAiRuntime:
    """The AI of this machine.

    Use it as an asynchronous context manager, or call `open` and `close`. `progress` is called
    while a model is fetched, converted and loaded.
    """

    def __init__(self, settings: Settings | None = None, *, progress: Progress | None = None) -> None:
        self._settings = settings or load_settings()
        self._progress = progress
        self._engine: Engine | None = None
        self._source: AnswerSource | None = None

    async def open(self) -> AnswerSource:
        """Makes the model ready, fetching it first where it is not here yet.

        Raises ModelError, StorageError: it cannot be had. NotAvailableError: the provider asked for
        is not on this machine.
        """
        if self._source is None:
            self._source = await asyncio.to_thread(self._load)
        return self._source

    def _load(self) -> AnswerSource:
        from codex_windows_ai.engine.configuration import EngineConfiguration
        from codex_windows_ai.engine.engine import Engine

        refused = self._refusals()
        folder = ModelStore().resolve(self._settings.model, progress=self._progress)
        if self._progress is not None:
            self._progress("loading", 0, 1)
        self._engine = Engine(folder, EngineConfiguration(threads=self._settings.threads))
        if self._progress is not None:
            self._progress("loading", 1, 1)
        return AnswerSource(
            provider="engine",
            device=f"CPU: {read_cpu().name}",
            execution_provider=self._engine.core.model.execution_provider,
            model=folder.name,
            transport="in-process",
            refused=refused,
        )

    def _refusals(self) -> tuple[tuple[str, str], ...]:
        """Better providers than the engine on the CPU, each with the reason why it does not answer."""
        wanted = self._settings.provider
        refused = (
            ("language-model", _windows_only("Windows' own language model")),
            ("engine:gpu", "this version runs the engine on the CPU only"),
            ("engine:npu", "this version runs the engine on the CPU only"),
        )
        for provider, reason in refused:
            if provider == wanted:
                raise NotAvailableError(
                    f"The provider `{wanted}` is not available: {reason}.",
                    hint="Set `provider` to `auto` or `engine:cpu`.",
                )
        return refused if wanted == "auto" else ()

    @property
    def source(self) -> AnswerSource:
        """Who answers.

        Raises EngineError: the runtime is not open.
        """
        if self._source is None:
            raise EngineError("The runtime is not open.", hint="Call `await runtime.open()` first.")
        return self._source

    @property
    def model_folder(self) -> ModelFolder:
        """The loaded model's folder, with its true window.

        Raises EngineError: the runtime is not open.
        """
        if self._engine is None:
            raise EngineError("The runtime is not open.", hint="Call `await runtime.open()` first.")
        return self._engine.core.folder

    def stream(self, request: GenerationRequest) -> Generation:
        """Submits a request; iterate what comes back for its deltas.

        Raises InvalidRequestError, ContextLengthExceededError, EngineBusyError at once; EngineError: not open.
        """
        if self._engine is None:
            raise EngineError("The runtime is not open.", hint="Call `await runtime.open()` first.")
        return self._engine.submit(request)

    async def invoke_action(
        self,
        prompt: str,
        *,
        action: str | None = None,
        system: str | None = None,
        sampling: SamplingParameters | None = None,
        max_output_tokens: int | None = None,
    ) -> str:
        """The whole answer to a prompt, or what an action makes of it.

        Raises InvalidRequestError: an unknown action, an empty prompt. ModelError, EngineError: see `open`.
        """
        messages = messages_for(action, prompt, system)
        await self.open()
        request = GenerationRequest(
            messages=messages, sampling=sampling or SamplingParameters(), max_output_tokens=max_output_tokens
        )
        return "".join([delta.text async for delta in self.stream(request)])

    async def list_actions(self) -> list[Action]:
        """Everything that can be asked for."""
        return list(BUILT_IN)

    def get_optimized_gpu_path(self) -> GpuPath | None:
        """The library of the best GPU execution provider; None where the engine uses no GPU.

        `source.refused` has the reason.
        """
        return None

    def statistics(self) -> EngineStatistics:
        """The engine's figures.

        Raises EngineError: the runtime is not open.
        """
        if self._engine is None:
            raise EngineError("The runtime is not open.", hint="Call `await runtime.open()` first.")
        return self._engine.statistics()

    async def close(self) -> None:
        """Unloads the model; what still runs ends with an error."""
        engine, self._engine, self._source = self._engine, None, None
        if engine is not None:
            await asyncio.to_thread(engine.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()


def _windows_only(what: str) -> str:
    if sys.platform == "win32":
        return f"this version does not use {what} yet"
    return f"{what} needs Windows"
