"""One host: what it serves, what it is busy with, and what its process needs besides."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal

from codex_windows_ai.host.origins import AllowedOrigins
from codex_windows_ai.host.peers import Peers
from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.serving.activity import Activity
from codex_windows_ai.serving.agents import AgentRecorder
from codex_windows_ai.serving.desk import Desk
from codex_windows_ai.serving.metrics import Metrics
from codex_windows_ai.serving.models import MakeRuntime, ModelRegistry
from codex_windows_ai.settings import Settings
from codex_windows_ai.windows_ai.runtime import WindowsAiRuntime

State = Literal["loading", "ready", "failed", "stopping"]

OPEN_LOOPBACK_REMARK = (
    "Programs of this machine, of every user, need no token for the endpoints below /v1/ (the setting `open_loopback`)."
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ChannelState:
    """Whether clients can have channels, and by what way, or why not."""

    open: bool
    detail: str


@dataclass(frozen=True, slots=True)
class Reach:
    """Where clients reach a host: its addresses, and by which `names` besides those of loopback.

    `only_loopback`: no other machine does. `remark` says what is odd about it.
    """

    urls: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    only_loopback: bool = True
    remark: str | None = None


class Host:
    """What the host's own routes share; at `request.app.state.host`. Endpoints get its `desk` and no more.

    `token` is asked of every client; None asks for none, as inside a test or another program. `stop` asks the process
    to end; None where the host runs inside another program, which ends it. `on_loaded` is called with the source of
    every model that is loaded.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        token: str | None = None,
        reach: Reach | None = None,
        stop: Callable[[], None] | None = None,
        on_loaded: Callable[[AnswerSource], None] | None = None,
        make_runtime: MakeRuntime = WindowsAiRuntime,
    ) -> None:
        self.token = token
        self._settings = settings
        self.reach = reach or Reach()
        self.allowed_hosts = (*self.reach.names, *settings.allowed_hosts)
        self.origins = AllowedOrigins(settings.allowed_origins)
        self.open_loopback = settings.open_loopback and self.reach.only_loopback
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
        self.peers = Peers()
        """Which processes ask."""
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

    @property
    def remarks(self) -> tuple[str, ...]:
        """What whoever looks after this host should know."""
        found = [self.reach.remark] if self.reach.remark else []
        if self.open_loopback:
            found.append(OPEN_LOOPBACK_REMARK)
        elif self._settings.open_loopback:
            found.append("The setting `open_loopback` has no effect: other machines reach this host.")
        return (*found, *self.models.remarks())

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
