"""The host's process: its start, its idle end, its clean end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from types import FrameType
from typing import NoReturn, cast

import psutil
import uvicorn
from starlette.applications import Starlette

from codex_windows_ai.api.shared.profiles import ClientProfile
from codex_windows_ai.discovery import record as discovery
from codex_windows_ai.discovery.record import HostRecord
from codex_windows_ai.errors import HostStartError, InvalidRequestError, StorageError
from codex_windows_ai.host import listener
from codex_windows_ai.host.app import create_app
from codex_windows_ai.host.channel.listening import open_channel_door
from codex_windows_ai.host.connections import Connection, accepted_at_once, handle_loop_error
from codex_windows_ai.host.host import Host, Reach
from codex_windows_ai.host.log import HostLog
from codex_windows_ai.mcp.tool import Tool
from codex_windows_ai.models.interruption import interrupt_workers
from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.settings import Settings
from codex_windows_ai.version import release

STREAM_GRACE_SECONDS = 5.0
"""How long answers that run may go on once the host is asked to end."""

ON_DEMAND_IDLE_SECONDS = 1800.0

RECORD_SECONDS = 30.0
"""Between two looks whether the record is still there."""

SWITCH_SECONDS = 0.0005
"""How long a thread that reads a large request may keep the interpreter from those that answer; ten times Python's own
would be a wait at every step of every answer."""

_POLL_SECONDS = 0.05
_LOADER_GRACE_SECONDS = 3.0
_ERROR_GRACE_SECONDS = 2
"""How long it may take to tell the others that they were cut off."""

log = logging.getLogger("codex_windows_ai.host")


@dataclass(frozen=True, slots=True)
class ServeOptions:
    """How a host is run: the settings' companions that only the command line has.

    `address` other than a loopback one needs `token_file`. `on_demand` marks a host that a client
    started: it ends when idle, and gives way to one of another version or model. `log` is kept small.
    `mcp_tools` and `profiles` come from higher layers, see `create_app`.
    """

    address: str = listener.LOOPBACK
    token_file: Path | None = None
    on_demand: bool = False
    log: HostLog | None = None
    mcp_tools: Sequence[Tool] = ()
    profiles: Sequence[ClientProfile] = ()


def serve(
    settings: Settings, options: ServeOptions, *, on_listening: Callable[[HostRecord], None] | None = None
) -> None:
    """Runs the host in this, the main thread, until it is asked to end or has been idle for long enough.

    Raises HostRunsAlreadyError; HostStartError: the port is taken. StorageError: its files cannot be
    written. InvalidRequestError: an address that other machines reach, without a token file.
    """
    if options.token_file is None and not listener.is_loopback(options.address):
        raise InvalidRequestError(
            f"Listening on {options.address} would let other machines in.",
            hint="Leave --host out, or give --token-file FILE with a token that you chose for them.",
        )
    sys.setswitchinterval(SWITCH_SECONDS)
    with discovery.host_lock():
        token_file = (options.token_file or discovery.own_token_file()).absolute()
        token = discovery.read_token(token_file)
        listeners = listener.open_listeners(options.address, settings.port)
        record = HostRecord(
            url=listeners.urls[0],
            port=listeners.port,
            token_file=str(token_file),
            pid=os.getpid(),
            process_start=discovery.process_start(os.getpid()) or "",
            version=release(),
            default_model=settings.model,
            provider=settings.provider,
            require_device=settings.require_device,
            models=(),
            on_demand=options.on_demand,
        )
        end = _End()
        host = Host(
            settings, token=token, reach=_reach(options, listeners), stop=end.ask, on_loaded=partial(_add_model, record)
        )
        app = create_app(host, mcp_tools=options.mcp_tools, profiles=options.profiles)
        server = _Server(host, app, end, idle_stop=_idle_stop(settings, options), log=options.log)
        try:
            with listeners, server.capture_signals():  # from here on everybody may think that it runs, and end it
                discovery.write_record(record)
                if on_listening:
                    on_listening(record)
                log.info("process %d listens on %s", record.pid, " and ".join(listeners.urls))
                for remark in host.remarks:
                    log.warning("%s", remark)
                asyncio.run(server.run_until_stopped(listeners, record))
        finally:
            discovery.remove_record(record)
    if not server.started:
        raise HostStartError("The host's doors did not open; what it printed says why.")


def _reach(options: ServeOptions, listeners: listener.Listeners) -> Reach:
    loopback = listener.is_loopback(options.address)
    names = () if loopback else listener.names_of_machine(options.address)
    return Reach(listeners.urls, names, only_loopback=loopback, remark=listeners.remark)


def _add_model(record: HostRecord, source: AnswerSource) -> None:
    log.info("the model %s is loaded", source.model)
    try:
        discovery.write_record(replace(record, models=(source.model,)))
    except StorageError as error:  # clients find the host without it
        log.warning("%s", error.message_and_hint)


def _idle_stop(settings: Settings, options: ServeOptions) -> float | None:
    """After how many idle seconds to end; None never."""
    seconds = settings.idle_stop
    if seconds is None:
        seconds = ON_DEMAND_IDLE_SECONDS if options.on_demand else 0.0
    return seconds or None


async def _end_while_loading(record: HostRecord) -> NoReturn:
    """Ends the process while a thread loads a model, as soon as it has cleaned up, or without that.

    What it leaves then is removed by the next who asks for the model, as after a power cut.
    """
    late = threading.Timer(_LOADER_GRACE_SECONDS, _end_at_once, [record])
    late.daemon = True
    late.start()
    interrupt_workers()
    await asyncio.get_running_loop().shutdown_default_executor()
    _end_at_once(record)


def _end_at_once(record: HostRecord) -> NoReturn:
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            child.kill()
    discovery.remove_record(record)
    sys.stderr.flush()
    os._exit(0)


class _End:
    """Whether the process was asked to end: by a signal, or over HTTP."""

    def __init__(self) -> None:
        self._asked = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def ask(self) -> None:
        """Asks for it; in the main thread, in its event loop or in a signal handler."""
        self._asked.set()
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._asked.set)  # wakes the loop, which on Windows a signal does not

    @property
    def asked(self) -> bool:
        return self._asked.is_set()

    async def wait(self) -> None:
        """Until somebody asks."""
        self._loop = asyncio.get_running_loop()
        await self._asked.wait()


class _Server(uvicorn.Server):
    """uvicorn, with an end of ours: answers may finish, then they are told, then the doors close.

    It is told to exit last, because whoever streams through sse-starlette is cut off by that.
    """

    def __init__(self, host: Host, app: Starlette, end: _End, *, idle_stop: float | None, log: HostLog | None) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                http=Connection,
                backlog=accepted_at_once(),
                access_log=False,  # paths only, but nobody needs them, and prompts could end up in queries
                log_config=None,
                lifespan="on",
                ws="none",
                server_header=False,
                timeout_graceful_shutdown=_ERROR_GRACE_SECONDS,
            )
        )
        self._host = host
        self._idle_stop = idle_stop
        self._end = end
        self._log = log

    async def run_until_stopped(self, listeners: listener.Listeners, record: HostRecord) -> None:
        """Serves on sockets that listen already."""
        connections = cast("set[Connection]", self.server_state.connections)
        asyncio.get_running_loop().set_exception_handler(partial(handle_loop_error, connections))
        self._host.models.start()  # first, so that no host is idle, and may end, before its model was loaded
        ending = asyncio.create_task(self._end_in_order(record))
        try:
            async with open_channel_door(self._host):
                await self.serve(sockets=list(listeners.sockets))
        finally:
            ending.cancel()
            await asyncio.gather(ending, return_exceptions=True)
        if self._host.models.abandoned:
            await _end_while_loading(record)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Opens the doors."""
        await super().startup(sockets)
        for each in sockets or ():
            each.listen(listener.BACKLOG)  # asyncio made it as short as what it accepts at once

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """SIGINT, SIGTERM, on Windows Ctrl-Break: the first asks for a clean end, the second for an instant one."""
        if self._end.asked:
            self.should_exit = self.force_exit = True
            return
        self._end.ask()

    async def _end_in_order(self, record: HostRecord) -> None:
        host = self._host
        log.info("%s: ending, %d requests run", await self.reason_to_end(record), host.activity.active_requests)
        host.stopping.set()
        if not await self._quiet_within(STREAM_GRACE_SECONDS):
            log.info("%d requests are cut off", host.activity.active_requests)
            await host.close()
            await self._quiet_within(_ERROR_GRACE_SECONDS)
        self.should_exit = True

    async def reason_to_end(self, record: HostRecord) -> str:
        """Waits until the host is to end.

        That is also when a host that was started on demand is idle and its record is gone, with the
        folder of a test or of a user who cleaned up: nobody could find it any more, nor end it.
        """
        activity, limit = self._host.activity, self._idle_stop
        asked = asyncio.create_task(self._end.wait())
        try:
            while not asked.done():
                if self._log is not None:
                    self._log.keep_small()
                remaining = limit
                if activity.idle_since is not None:
                    if limit is not None:
                        remaining = activity.idle_since + limit - time.monotonic()
                        if remaining <= 0:
                            return f"idle for {limit:g} s"
                    if record.on_demand and not discovery.is_recorded(record):
                        return "its record is gone"
                # What is busy now cannot have been idle for the whole limit before the limit is over.
                await asyncio.wait({asked}, timeout=min(remaining or RECORD_SECONDS, RECORD_SECONDS))
            return "asked to"
        finally:
            asked.cancel()

    async def _quiet_within(self, seconds: float) -> bool:
        """Waits until no request runs; False when that takes longer, or an instant end was asked for."""
        deadline = time.monotonic() + seconds
        while self._host.activity.active_requests and time.monotonic() < deadline and not self.should_exit:
            await asyncio.sleep(_POLL_SECONDS)
        return not self._host.activity.active_requests
