"""The engine behind the interface of every provider."""

from __future__ import annotations

from codex_windows_ai.engine.configuration import EngineConfiguration
from codex_windows_ai.engine.engine import Engine
from codex_windows_ai.engine.generation import Generation
from codex_windows_ai.engine.request import GenerationRequest
from codex_windows_ai.hardware.cpu import read_cpu
from codex_windows_ai.models.folder import ModelFolder
from codex_windows_ai.models.progress import Progress, silent
from codex_windows_ai.models.store import ModelStore
from codex_windows_ai.settings import Settings
from codex_windows_ai.windows_ai.answer import AnswerSource

__all__ = ["EngineProvider"]


class EngineProvider:
    """The model of the settings, fetched first where it is not here yet, and loaded.

    Raises ModelError, StorageError: it cannot be had.
    """

    def __init__(self, settings: Settings, *, progress: Progress | None = None) -> None:
        report = progress or silent
        self.folder: ModelFolder = ModelStore().resolve(settings.model, progress=progress)
        report("loading", 0, 1)
        self.engine = Engine(self.folder, EngineConfiguration(threads=settings.threads))
        report("loading", 1, 1)

    @property
    def source(self) -> AnswerSource:
        """Who answers."""
        return AnswerSource(
            provider="engine",
            device=f"CPU: {read_cpu().name}",
            execution_provider=self.engine.core.model.execution_provider,
            model=self.folder.name,
            transport="in-process",
        )

    def stream(self, request: GenerationRequest) -> Generation:
        """Begins to answer; raises as `Engine.submit`."""
        return self.engine.submit(request)

    def close(self) -> None:
        """Unloads the model; what still runs ends with EngineClosedError."""
        self.engine.close()
