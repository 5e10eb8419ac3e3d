"""The models of this host: loaded on demand, in the background. Today it is one."""

from __future__ import annotations

import asyncio
import contextlib
import gc
from collections.abc import Callable
from typing import Protocol

from codex_windows_ai.engine.generation import Generation
from codex_windows_ai.errors import EngineClosedError, EngineError, ModelNotFoundError, WindowsAiError
from codex_windows_ai.hardware.memory import SHORT_OF_MEMORY, is_short_of_memory
from codex_windows_ai.models.names import match_name
from codex_windows_ai.models.progress import Progress
from codex_windows_ai.protocol.request import GenerationRequest
from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.protocol.statistics import EngineStatistics
from codex_windows_ai.serving.activity import Activity
from codex_windows_ai.serving.served_model import served_names
from codex_windows_ai.settings import Settings
from codex_windows_ai.windows_ai.answer import AnswerObserver
from codex_windows_ai.windows_ai.runtime import WindowsAiRuntime

Loading = tuple[str, int, int]
"""How far loading is: stage, done, total (0: unknown)."""

Observe = Callable[[GenerationRequest, Generation], AnswerObserver]
"""Called with every request that was accepted; what it returns hears what becomes of the answer."""


class MakeRuntime(Protocol):
    """Makes a runtime that is not open yet."""

    def __call__(self, settings: Settings, *, progress: Progress, observe: Observe | None) -> WindowsAiRuntime:
        """Raises nothing; what is not there is said when the runtime is opened."""
        ...


def stopping_error() -> EngineClosedError:
    """What a request hears of a host that ends."""
    return EngineClosedError("The host is ending.", hint="Ask again: the next request starts a new one.")


def _statistics(runtime: WindowsAiRuntime) -> EngineStatistics | None:
    try:
        return runtime.statistics()
    except EngineError:  # Windows' own language model answers alone; it gives no figures
        return None


class ModelRegistry:
    """The models that one host serves, by name; None as a name is the default model.

    A model that could not be loaded is tried again by the next request that needs it: what was missing may be there
    by then. While one loads, `activity` is not at rest; `on_loaded` is called with the source of one that is.
    `observe` follows every answer.

    That there is one model is known here alone.
    """

    def __init__(
        self,
        settings: Settings,
        activity: Activity,
        *,
        observe: Observe | None = None,
        on_loaded: Callable[[AnswerSource], None] | None = None,
        make_runtime: MakeRuntime = WindowsAiRuntime,
    ) -> None:
        self._settings = settings
        self._activity = activity
        self._observe = observe
        self._on_loaded = on_loaded
        self._make_runtime = make_runtime
        self._opening: asyncio.Task[WindowsAiRuntime] | None = None
        self._loading: Loading | None = None
        self._failure: WindowsAiError | None = None
        self.abandoned = False
        """The registry was closed while a model loaded in a thread, which nothing can end but the process."""

    @property
    def default(self) -> str:
        """What the host was asked to serve: an installed model's name, or a model folder."""
        return self._settings.model

    def served(self) -> tuple[str, ...]:
        """Names of the models that are loaded, the one that answers first at the head; never waits."""
        runtime = self._loaded()
        return served_names(runtime) if runtime is not None else ()

    def start(self, name: str | None = None) -> asyncio.Task[WindowsAiRuntime]:
        """Begins to load a model in the background; while it loads or is loaded that is what is returned."""
        if self._opening is None or (self._opening.done() and self._failure is not None):
            self._failure = None
            self._loading = ("starting", 0, 0)
            self._opening = asyncio.create_task(self._open())
            # Whoever awaits the runtime gets the error; without anybody it is only kept in `failure`.
            self._opening.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._opening

    async def runtime(self, name: str | None = None) -> WindowsAiRuntime:
        """What answers for a model, once it is loaded.

        Raises ModelNotFoundError: this host serves no model of that name, or not even the default one can be found.
        ModelError, StorageError, NotAvailableError, EngineError: it could not be loaded. EngineClosedError: the host
        ends.
        """
        opening = self.start(name)
        if not opening.done():
            await asyncio.wait({opening})
        if opening.cancelled():
            raise stopping_error()
        runtime = opening.result()
        self._check(name, runtime)
        return runtime

    def loaded(self, name: str | None = None) -> WindowsAiRuntime | None:
        """What answers for a model if that is loaded; never waits."""
        runtime = self._loaded()
        known = runtime is not None and (name is None or match_name(name, served_names(runtime)) is not None)
        return runtime if known else None

    def loading(self, name: str | None = None) -> Loading | None:
        """How far loading is; None when it is not going on."""
        return self._loading

    def failure(self, name: str | None = None) -> WindowsAiError | None:
        """Why the model could not be loaded."""
        return self._failure

    def statistics(self, name: str | None = None) -> EngineStatistics | None:
        """The figures of a model's engine; None until it is loaded, and where Windows' own model answers alone."""
        runtime = self.loaded(name)
        return _statistics(runtime) if runtime is not None else None

    def engines(self) -> tuple[tuple[AnswerSource, EngineStatistics], ...]:
        """The figures of every engine that is loaded, and who answers by it."""
        runtime = self._loaded()
        figures = _statistics(runtime) if runtime is not None else None
        return ((runtime.source, figures),) if runtime is not None and figures is not None else ()

    def remarks(self) -> tuple[str, ...]:
        """What is worth knowing of how the loaded models run."""
        runtime = self._loaded()
        return runtime.remarks if runtime is not None else ()

    async def close(self) -> None:
        """Unloads all models; what still runs ends with an error."""
        opening, self._opening = self._opening, None
        if opening is None:
            return
        self.abandoned = opening.cancel()
        with contextlib.suppress(asyncio.CancelledError, WindowsAiError):
            await (await opening).close()

    def _loaded(self) -> WindowsAiRuntime | None:
        opening = self._opening
        return opening.result() if opening is not None and opening.done() and self._failure is None else None

    def _check(self, name: str | None, runtime: WindowsAiRuntime) -> None:
        served = served_names(runtime)
        if name is None or match_name(name, served) is not None:
            return
        names = " and ".join(f"`{each}`" for each in served)
        raise ModelNotFoundError(
            f"This host serves {names}, not `{name}`.",
            hint=f"Ask for {names}, or start a host with the model you want: `cwai serve --model {name}`.",
        )

    async def _open(self) -> WindowsAiRuntime:
        with self._activity.loading():
            runtime = self._make_runtime(self._settings, progress=self._report, observe=self._observe)
            try:
                await runtime.open()
            except WindowsAiError as error:
                self._failure = error
                raise
            except Exception as error:  # a fault of ours; requests must hear of it as of any other
                hint = SHORT_OF_MEMORY if is_short_of_memory(error) else None
                self._failure = EngineError(f"The model could not be loaded: {error!r}.", hint=hint)
                raise self._failure from error
            finally:
                self._loading = None
        _spare_the_collector()
        if self._on_loaded:
            self._on_loaded(runtime.source)
        return runtime

    def _report(self, stage: str, done: int, total: int) -> None:
        self._loading = (stage, done, total)


def _spare_the_collector() -> None:
    """Has garbage collections pass over all that is there to stay, modules and vocabularies.

    They would take a tenth of a second for it, whenever a large request was read, and nobody would be served meanwhile.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()
