"""Finds the user's host, and starts it where none runs."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import replace
from typing import Any

import httpx2
import psutil

from codex_windows_ai.client.http import HostClient
from codex_windows_ai.discovery.record import HostRecord, log_file, read_record
from codex_windows_ai.errors import (
    EngineError,
    HostStartError,
    HostUnreachableError,
    ModelNotFoundError,
    StorageError,
)
from codex_windows_ai.hardware.memory import address_space_limit
from codex_windows_ai.models.progress import Progress, silent
from codex_windows_ai.models.storage import make_folder
from codex_windows_ai.models.store import ModelStore
from codex_windows_ai.protocol.wire_errors import error_from_body
from codex_windows_ai.settings import ENVIRONMENT_PREFIX, Settings, load_settings, state_folder
from codex_windows_ai.version import release

_POLL_SECONDS = 0.05
_START_SECONDS = 60.0
"""How long a new process may take until it listens, on a machine that is very busy."""
PATIENCE_SECONDS = 10.0
"""How long a host may take to say how it is."""

SILENCE_SECONDS = 15.0
"""How long a host may say nothing at all."""

_STOP_PATIENCE_SECONDS = 3.0
_STOP_SECONDS = 15.0
_MOST_LINES = 12


async def ensure_host(
    settings: Settings | None = None,
    *,
    progress: Progress | None = None,
    wait_for_model: bool = True,
    keep: bool = True,
) -> HostRecord:
    """The host, with its model loaded; started, detached from this process, where none runs.

    A host of another version, model or provider is replaced if a client started it and nothing runs on it.
    Without `wait_for_model` any host of this version will do that listens, whatever becomes of its model.
    Without `keep` a host that this call started ends when the call is cancelled.

    Raises HostStartError: it cannot start, or the one that runs is another and in use.
    HostUnreachableError: it runs but does not answer. ModelError, StorageError, NotAvailableError,
    EngineError: its model cannot be loaded.
    """
    search = _Search(settings or load_settings(), progress or silent, wait_for_model=wait_for_model)
    try:
        return await search.run()
    except asyncio.CancelledError:
        if not keep:
            search.undo()
        raise


async def stop_host(record: HostRecord) -> bool:
    """Ends a host and waits until its process has; False where it had to be killed."""
    try:
        async with HostClient(record, patience=_STOP_PATIENCE_SECONDS) as client:
            await client.authenticate()
            await client.shutdown()
        ending = True
    except HostUnreachableError as error:
        ending = isinstance(error.__cause__, httpx2.ConnectError)  # its doors are closed: it ends already
    except StorageError:
        ending = False  # nobody can prove to it who he is
    if ending and await _gone(record):
        return True
    if record.alive:
        psutil.Process(record.pid).kill()
        await _gone(record)
        return False
    return True


async def _gone(record: HostRecord) -> bool:
    deadline = time.monotonic() + _STOP_SECONDS
    while record.alive and time.monotonic() < deadline:
        await asyncio.sleep(_POLL_SECONDS)
    return not record.alive


class _Search:
    """One caller's way to a host that is ready."""

    def __init__(self, settings: Settings, progress: Progress, *, wait_for_model: bool) -> None:
        self._settings = settings.model_copy(update={"model": _found(settings.model, needed=wait_for_model)})
        self._progress = progress
        self._wait_for_model = wait_for_model
        self._start: _Start | None = None
        self._start_deadline = time.monotonic() + _START_SECONDS
        self._silent_since: float | None = None
        self._loaded_again = False
        self._models: tuple[str, ...] = ()

    async def run(self) -> HostRecord:
        while True:
            record = read_record()
            if record is None:
                self._start_or_wait()
            elif await self._is_ready(record):
                return replace(record, models=self._models)
            await asyncio.sleep(_POLL_SECONDS)

    def undo(self) -> None:
        """Ends what was started, without waiting for it: whoever cancelled this is in a hurry."""
        if self._start is not None:
            self._start.terminate()

    def _start_or_wait(self) -> None:
        self._progress("starting the host", 0, 0)
        if time.monotonic() > self._start_deadline:
            raise HostStartError(f"The host did not begin to listen within {_START_SECONDS:.0f} s.", hint=_what_to_do())
        if self._start is None:
            self._start = _Start(self._settings)
        elif self._start.returncode == 0:
            self._start = None  # it gave way to another one, which is about to say where it listens, or has ended
        elif self._start.returncode is not None:
            raise HostStartError(
                f"The host ended with exit code {self._start.returncode} before it was ready. {self._start.said()}",
                hint=_what_to_do(),
            )

    async def _is_ready(self, record: HostRecord) -> bool:
        async with HostClient(record, patience=PATIENCE_SECONDS) as client:
            try:
                await client.authenticate()
                readiness = await client.ready()
            except HostUnreachableError:
                self._endure_silence(record)
                return False
            self._silent_since = None
            state, self._models = readiness.get("state"), tuple(readiness.get("models", ()))
            if state != "stopping" and await self._replaced(record, client):
                return False
            if not self._wait_for_model:
                return state != "stopping"
            if state == "failed":
                await self._load_again(record, client, readiness)
            elif state == "loading":
                self._progress(str(readiness["stage"]), int(readiness["done"]), int(readiness["total"]))
            return state == "ready"

    def _endure_silence(self, record: HostRecord) -> None:
        """A host that has just ended, or is very busy, gets some time; then whoever waits is told."""
        self._silent_since = self._silent_since or time.monotonic()
        if record.alive and time.monotonic() - self._silent_since > SILENCE_SECONDS:
            raise HostUnreachableError(
                f"The host at {record.url} (process {record.pid}) runs but does not answer.",
                hint="`cwai stop` ends it; then ask again.",
            )

    async def _replaced(self, record: HostRecord, client: HostClient) -> bool:
        """Ends a host that is not the one asked for; what is said of it is said as progress, too."""
        difference = self._difference(record)
        if difference is None:
            return False
        if not record.on_demand or (await client.status())["active_requests"]:
            raise HostStartError(
                f"The host that runs (process {record.pid}) {difference}, and it is in use.",
                hint="`cwai stop` ends it for all programs that use it; then ask again.",
            )
        self._progress(f"replacing the host: it {difference}", 0, 0)
        await stop_host(record)
        return True

    def _difference(self, record: HostRecord) -> str | None:
        ours = release()
        if record.version != ours:
            return f"is version {record.version}, this is {ours}"
        if not self._wait_for_model:
            return None
        if not record.serves(self._settings.model):  # nor can it be asked to: a host serves one model
            return f"serves the model {record.default_model}, not {self._settings.model}"
        if record.provider != self._settings.provider:
            return f"was started with the provider {record.provider}, not {self._settings.provider}"
        if record.require_device != self._settings.require_device:
            wanted = self._settings.require_device or "any"
            return f"was started to answer on the device {record.require_device or 'any'}, not on {wanted}"
        return None

    async def _load_again(self, record: HostRecord, client: HostClient, readiness: dict[str, Any]) -> None:
        """What was missing may be there by now, so an earlier failure is tried once more."""
        if self._start is None and not self._loaded_again:
            self._loaded_again = True
            await client.load()
            return
        if self._start is not None and record.on_demand:
            await stop_host(record)  # nobody else has asked for it, and it could not serve them
        raise error_from_body(readiness) or EngineError("The host could not load its model.")


class _Start:
    """A host process that was started and lives on when its starter ends.

    Until it listens it speaks to its starter by a pipe, whatever becomes of the log; then it writes the log.
    """

    def __init__(self, settings: Settings) -> None:
        make_folder(state_folder())
        self._process = _spawn(settings)
        self._said: deque[str] = deque(maxlen=_MOST_LINES)
        self._listener = threading.Thread(target=self._listen, name="host-listener", daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        """Hears what the process says, and reaps it when it ends: a program that lives longer would keep a zombie."""
        with self._process as process:
            self._said.extend(line.decode("utf-8", errors="replace").strip() for line in process.stdout or ())
        if process.returncode:
            with contextlib.suppress(OSError), log_file().open("a", encoding="utf-8") as log:
                log.writelines(f"{line}\n" for line in self._said)

    @property
    def returncode(self) -> int | None:
        """The exit code, None while it runs."""
        return self._process.returncode

    def terminate(self) -> None:
        """Asks the process to end; one that has given way to another host has ended already."""
        self._process.terminate()

    def said(self) -> str:
        """The end of what it said; it has ended."""
        self._listener.join()
        lines = [line for line in self._said if line]
        return " ".join(["It said:", *lines]) if lines else "It said nothing."


def _what_to_do() -> str:
    """Where a host says why it ended, if it could: one that is short of memory may not even do that."""
    limit = address_space_limit()
    memory = f"The memory of a process is limited to {limit >> 10} kB (`ulimit -v`): allow more. " if limit else ""
    return f"{memory}Its log is {log_file()}; `cwai serve` runs it in this terminal."


def _spawn(settings: Settings) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "codex_windows_ai.cli", "serve", "--on-demand"]

    def popen(creationflags: int = 0) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=state_folder(),  # not the caller's, which could otherwise not be removed on Windows
            env=os.environ | _environment(settings),
            start_new_session=True,  # without effect on Windows
            creationflags=creationflags,
        )

    if sys.platform != "win32":
        return popen()
    # No window, also for pip; no Ctrl-C of the caller's console.
    flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
    try:
        # Out of the caller's job, which may end all its processes with the caller.
        return popen(flags | subprocess.CREATE_BREAKAWAY_FROM_JOB)
    except PermissionError:  # the job does not let go of its processes
        return popen(flags)


def _environment(settings: Settings) -> dict[str, str]:
    """The caller's settings, flags included, as the variables that the host reads.

    Secrets are no flags: the host finds them where the caller did.
    """
    values = settings.model_dump(mode="json", exclude_none=True, exclude={"limited_access_token"})
    return {
        f"{ENVIRONMENT_PREFIX}{name.upper()}": value if isinstance(value, str) else json.dumps(value)
        for name, value in values.items()
    }


def _found(model: str, *, needed: bool) -> str:
    """The model by a name or path that a host knows, in whatever folder it runs.

    Raises ModelNotFoundError: it is `needed` and not here, which is said before any host is ended for its sake.
    """
    try:
        return ModelStore().find(model)
    except ModelNotFoundError:
        if needed:
            raise
        return model
