"""Worker processes (`main.py`) for one kind of work: asked, ended where the work takes too much, and started anew."""

from __future__ import annotations

import atexit
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import psutil

from codex_windows_ai.errors import EngineError

_MAIN = Path(__file__).with_name("main.py")
_MOST_IDLE = 2
_BACKGROUND = psutil.BELOW_NORMAL_PRIORITY_CLASS if sys.platform == "win32" else 10
_ENDING_SECONDS = 10.0
_LATE = (1, -signal.SIGPROF if sys.platform != "win32" else 1)
"""The exit codes of a process that ended at its deadline: as `faulthandler` has it, and by the signal of the timer."""


@dataclass(frozen=True, slots=True)
class Reply:
    """What a worker answered, or the `limit` that its work went over, in words."""

    answer: bytes
    seconds: float
    """Of processor time."""
    limit: str = ""


class WorkerPool:
    """Workers that answer by the function `answer` of a module; each piece of work has one for itself.

    `what` names the work in errors. `probe` is a request that is answered at once. Those in the `background` leave the
    processors to whoever else has work for them.
    """

    def __init__(self, module: Path, *, what: str, probe: bytes, background: bool = False) -> None:
        self._module = module
        self._what = what
        self._probe = probe
        self._background = background
        self._idle: list[_Worker] = []
        self._lock = threading.Lock()
        atexit.register(self._end_all)

    def ask(self, *request: bytes, seconds: float, most_bytes: int) -> Reply:
        """What is answered to a request, given in pieces, within so much processor time and address space.

        Raises EngineError: no worker can be started.
        """
        worker = self._take(most_bytes)
        reply = worker.ask(request, seconds)
        if reply is None and worker.exit_code() not in _LATE:  # somebody ended it, perhaps while it waited
            worker = self._start(most_bytes)
            reply = worker.ask(request, seconds)
        if reply is None:
            code = worker.exit_code()
            late = f"it does not end within {round(seconds, 2):g} seconds"
            return Reply(b"", seconds, late if code in _LATE else f"its process ended with exit code {code}")
        if reply.limit:
            worker.end()  # with the memory that it took
        else:
            self._give_back(worker)
        return reply

    def _take(self, most_bytes: int) -> _Worker:
        """One that waits for work, or a new one."""
        with self._lock:
            for worker in list(self._idle):
                if worker.most_bytes == most_bytes:
                    self._idle.remove(worker)
                    if worker.runs:
                        return worker
                    worker.end()
        return self._start(most_bytes)

    def _start(self, most_bytes: int) -> _Worker:
        try:
            worker = _Worker(self._module, most_bytes, background=self._background)
        except OSError as error:
            raise self._not_started(str(error)) from error
        if worker.ask((self._probe,), _ENDING_SECONDS) is None:
            raise self._not_started(f"it ended with exit code {worker.exit_code()}")
        return worker

    def _not_started(self, reason: str) -> EngineError:
        return EngineError(
            f"The process for {self._what} could not be started: {reason}.",
            hint=f"It is `{sys.executable}` with {_MAIN}; see whether something on this machine forbids that.",
        )

    def _give_back(self, worker: _Worker) -> None:
        with self._lock:
            self._idle.append(worker)
            surplus = self._idle.pop(0) if len(self._idle) > _MOST_IDLE else None  # the one that waited longest
        if surplus is not None:
            surplus.end()

    def _end_all(self) -> None:
        with self._lock:
            while self._idle:
                self._idle.pop().end()


class _Worker:
    """One process, which answers one request after the other."""

    def __init__(self, module: Path, most_bytes: int, *, background: bool) -> None:
        self.most_bytes = most_bytes
        # `-P`: modules in the folder of the script, or in the user's, are not what its imports mean.
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(_MAIN), str(module), str(most_bytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            creationflags=subprocess.CREATE_NO_WINDOW if sys.platform == "win32" else 0,
        )
        if background:
            with suppress(psutil.Error):  # it ended, which whoever asks it finds out
                psutil.Process(self._process.pid).nice(_BACKGROUND)
        self._requests, self._replies = cast("IO[bytes]", self._process.stdin), cast("IO[bytes]", self._process.stdout)

    def ask(self, request: tuple[bytes, ...], seconds: float) -> Reply | None:
        """Its answer; None where it ended instead."""
        try:
            self._requests.write(f"{seconds} {sum(map(len, request))}\n".encode())
            for piece in request:
                self._requests.write(piece)
            self._requests.flush()
            head = self._replies.readline()
            took, size, over = map(float, head.split()) if head.endswith(b"\n") else (0, 1, 0)
            reply = self._replies.read(int(size))
        except OSError:
            return None
        except BaseException:
            self.end()
            raise
        if len(reply) < size:
            return None
        return Reply(b"", took, reply.decode()) if over else Reply(reply, took)

    @property
    def runs(self) -> bool:
        """Whether it can be asked."""
        return self._process.poll() is None

    def exit_code(self) -> int:
        """How it ended, once it gave no answer."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(_ENDING_SECONDS)
        self.end()
        return self._process.returncode

    def end(self) -> None:
        """Ends the process, whatever it does."""
        self._process.kill()
        self._process.wait()
        self._replies.close()
        with suppress(OSError):  # what it did not read
            self._requests.close()
