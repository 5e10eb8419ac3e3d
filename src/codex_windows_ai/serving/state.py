"""The one model of the host, and what the host is doing."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from typing import Literal

from codex_windows_ai.engine.generation import Generation
from codex_windows_ai.errors import EngineClosedError, EngineError, WindowsAiError
from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.protocol.statistics import EngineStatistics
from codex_windows_ai.serving.agents import AgentRecorder
from codex_windows_ai.serving.metrics import Metrics
from codex_windows_ai.settings import Settings
from codex_windows_ai.windows_ai.runtime import WindowsAiRuntime

State = Literal["loading", "ready", "failed", "stopping"]

_log = logging.getLogger(__name__)


def stopping_error() -> EngineClosedError:
    """What a request hears of a host that ends."""
    return EngineClosedError("The host is ending.", hint="Ask again: the next request starts a new one.")


@dataclass(frozen=True, slots=True)
class ChannelState:
    """Whether clients can have channels, and by what way, or why not."""

    open: bool
    detail: str


class Host:
    """What all doors share; at `request.app.state.host`.

    `start` begins to load the model and returns at once. A model that could not be loaded is tried
    again by the next request that needs it: what was missing may be there by then.
    `token` is asked of every client; None asks for none, as inside a test or another program.
    `allowed_hosts` are further names (besides this machine's own) that clients may call this host by.
    """

    def __init__(self, settings: Settings, *, token: str | None = None, allowed_hosts: tuple[str, ...] = ()) -> None:
        self.settings = settings
        self.token = token
        self.allowed_hosts = allowed_hosts
        self.started_at = time.monotonic()
        self.idle_since: float | None = self.started_at
        """Since when (`time.monotonic`) no request runs; None while one does."""
        self.requests = 0
        """Requests to doors since the start, those that run included."""
        self.stop: Callable[[], None] | None = None
        """Asks the process to end; set by the process that runs this host."""
        self.stopping = asyncio.Event()
        """Set when the process begins to end; new requests are refused from then on."""
        self.when_loaded: Callable[[AnswerSource], None] | None = None
        """Called when the model is loaded; set by the process that runs this host."""
        self.loading: tuple[str, int, int] | None = None
        """How far loading is: stage, done, total (0: unknown); None when it is not going on."""
        self.failure: WindowsAiError | None = None
        """Why the model could not be loaded."""
        self.metrics = Metrics(lambda: self.loaded)
        self.agents = AgentRecorder()
        """What each agent has running and what it got."""
        self.channels = ChannelState(False, "The channel door is not open yet.")
        """As `tell_channels` said last."""
        self.look_for_driver: Callable[[], Awaitable[None]] | None = None
        """Registers with the kernel driver if that is there by now; set where it can come while the host runs."""
        self.abandoned = False
        """The host was closed while a model loaded in a thread, which nothing can end but the process."""
        self._opening: asyncio.Task[WindowsAiRuntime] | None = None
        self._agents: Counter[str] = Counter()
        self._answers: list[tuple[str, Generation]] = []

    def start(self) -> asyncio.Task[WindowsAiRuntime]:
        """Begins to load the model in the background; while it loads or is loaded that is what is returned."""
        if self._opening is None or (self._opening.done() and self.failure is not None):
            self.failure = None
            self.loading = ("starting", 0, 0)
            self._opening = asyncio.create_task(self._open())
            # Whoever awaits the runtime gets the error; without anybody it is only kept in `failure`.
            self._opening.add_done_callback(lambda task: task.cancelled() or task.exception())
        return self._opening

    async def runtime(self) -> WindowsAiRuntime:
        """The runtime, once its model is loaded.

        Raises ModelError, StorageError, NotAvailableError, EngineError: it could not be loaded.
        EngineClosedError: the host ends.
        """
        opening = self.start()
        if not opening.done():
            await asyncio.wait({opening})
        if opening.cancelled():
            raise stopping_error()
        return opening.result()

    async def source(self) -> AnswerSource:
        """Who answers; raises as `runtime` does."""
        return (await self.runtime()).source

    @property
    def state(self) -> State:
        """Whether requests are answered at once, wait for the model, fail for want of it, or are refused."""
        if self.stopping.is_set():
            return "stopping"
        if self.failure is not None:
            return "failed"
        return "ready" if self.loaded else "loading"

    @property
    def loaded(self) -> WindowsAiRuntime | None:
        """The runtime if its model is loaded; never waits."""
        done = self._opening is not None and self._opening.done() and self.failure is None
        return self._opening.result() if self._opening is not None and done else None

    @property
    def engine_statistics(self) -> EngineStatistics | None:
        """The engine's figures; None until it is loaded, and where Windows' own language model answers alone."""
        runtime = self.loaded
        if runtime is None:
            return None
        try:
            return runtime.statistics()
        except EngineError:
            return None

    @property
    def active_requests(self) -> int:
        """Requests to doors that run now."""
        return self._agents.total()

    @property
    def active_agents(self) -> int:
        """Agents with a request that runs now."""
        return len(self._agents)

    def tell_channels(self, *, open: bool, detail: str) -> None:
        """Says to whoever asks whether clients can have channels, and to the log when that changes."""
        state = ChannelState(open, detail)
        if state != self.channels:
            self.channels = state
            _log.info("channels: %s", detail)

    @contextlib.contextmanager
    def serving(self, agent: str) -> Generator[None]:
        """While a request of `agent` runs."""
        self.requests += 1
        self._agents[agent] += 1
        self.idle_since = None
        try:
            yield
        finally:
            self._agents[agent] -= 1
            if not self._agents[agent]:
                del self._agents[agent]
            self._rest()

    @contextlib.contextmanager
    def answering(self, agent: str, generation: Generation) -> Generator[None]:
        """While an answer to `agent` is generated."""
        entry = (agent, generation)
        self._answers.append(entry)
        try:
            yield
        finally:
            self._answers.remove(entry)

    def cancel(self, agent: str) -> int:
        """Ends the answers to `agent` where they are, so that they still say what they took; returns how many."""
        generations = [generation for other, generation in self._answers if other == agent]
        for generation in generations:
            generation.cancel()
        return len(generations)

    async def close(self) -> None:
        """Unloads the model; what still runs ends with an error."""
        opening, self._opening = self._opening, None
        if opening is None:
            return
        self.abandoned = opening.cancel()
        with contextlib.suppress(asyncio.CancelledError, WindowsAiError):
            await (await opening).close()

    async def _open(self) -> WindowsAiRuntime:
        runtime = WindowsAiRuntime(self.settings, progress=self._report, observe=self.agents.follow)
        try:
            await runtime.open()
        except WindowsAiError as error:
            self.failure = error
            raise
        except Exception as error:  # a fault of ours; requests must hear of it as of any other
            self.failure = EngineError(f"The model could not be loaded: {error!r}")
            raise self.failure from error
        finally:
            self.loading = None
            self._rest()
        if self.when_loaded:
            self.when_loaded(runtime.source)
        return runtime

    def _rest(self) -> None:
        if not self._agents:
            self.idle_since = time.monotonic()

    def _report(self, stage: str, done: int, total: int) -> None:
        self.loading = (stage, done, total)
