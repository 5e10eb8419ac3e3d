"""One host: what it serves, what it is busy with, and what its process needs besides."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.serving.activity import Activity
from codex_windows_ai.serving.agents import AgentRecorder
from codex_windows_ai.serving.desk import Desk
from codex_windows_ai.serving.metrics import Metrics
from codex_windows_ai.serving.models import MakeRuntime, ModelRegistry
from codex_windows_ai.settings import Settings
from codex_windows_ai.windows_ai.runtime import WindowsAiRuntime

State = Literal["loading", "ready", "failed", "stopping"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ChannelState:
    """Whether clients can have channels, and by what way, or why not."""

    open: bool
    detail: str


class Host:
    """What the host's own routes share; at `request.app.state.host`. Endpoints get its `desk` and no more.

    `token` is asked of every client; None asks for none, as inside a test or another program. `allowed_hosts` are
    further names (besides this machine's own) that clients may call this host by. `stop` asks the process to end;
    None where the host runs inside another program, which ends it. `on_loaded` is called with the source of every
    model that is loaded.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        token: str | None = None,
        allowed_hosts: tuple[str, ...] = (),
        stop: Callable[[], None] | None = None,
        on_loaded: Callable[[AnswerSource], None] | None = None,
        make_runtime: MakeRuntime = WindowsAiRuntime,
    ) -> None:
        self.token = token
        self.allowed_hosts = allowed_hosts
        self.stop = stop
        self.started_at = time.monotonic()
        self.stopping = asyncio.Event()
        """Set when the process begins to end; new requests are refused from then on."""
        self.activity = Activity()
        self.agents = AgentRecorder()
        """What each agent has running and what it got."""
        self.models = ModelRegistry(
            settings, self.activity, observe=self.agents.follow, on_loaded=on_loaded, make_runtime=make_runtime
        )
        self.metrics = Metrics(self.models.engines)
        self.desk = Desk(self.models, self.activity, self.metrics)
        self._channels = ChannelState(False, "The channel door is not open yet.")
        self._find_driver: Callable[[], Awaitable[None]] | None = None

    @property
    def state(self) -> State:
        """Whether requests are answered at once, wait for the model, fail for want of it, or are refused."""
        if self.stopping.is_set():
            return "stopping"
        if self.models.failure() is not None:
            return "failed"
        return "ready" if self.desk.ready else "loading"

    @property
    def channels(self) -> ChannelState:
        """As `tell_channels` said last."""
        return self._channels

    def tell_channels(self, *, open: bool, detail: str) -> None:
        """Says to whoever asks whether clients can have channels, and to the log when that changes."""
        state = ChannelState(open, detail)
        if state != self._channels:
            self._channels = state
            _log.info("channels: %s", detail)

    def expect_driver(self, find: Callable[[], Awaitable[None]]) -> None:
        """The kernel driver can come while the host runs: `find` registers with it if it is there by now."""
        self._find_driver = find

    async def look_for_driver(self) -> bool:
        """Registers with the kernel driver if it is there by now; False where none is expected."""
        if self._find_driver is None:
            return False
        await self._find_driver()
        return True

    async def close(self) -> None:
        """Unloads the models; what still runs ends with an error."""
        await self.models.close()
