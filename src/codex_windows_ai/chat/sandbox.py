"""Chat templates under bounds: compiled and rendered in a process of their own (`sandbox_worker.py`).

A template that takes too long is ended with its process, the work and not only the wait for it; one that takes too
much memory or writes too much is stopped by the process itself. The next template gets a new process.
"""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from codex_windows_ai.errors import EngineError, InvalidRequestError, ModelFileError, TemplateOverLimitError

_WORKER = Path(__file__).with_name("sandbox_worker.py")
_MOST_IDLE = 2
_ENDING_SECONDS = 10.0
_LATE = 1
"""The exit code of a process that ended at its deadline, as `faulthandler` has it."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a template may take. Rendering takes milliseconds, and no request is as long as `characters`."""

    seconds: float = 5.0
    """From when it begins, for compiling it or rendering it once."""
    bytes: int = 1 << 30
    """Address space of its process, Python's own included."""
    characters: int = 32 << 20
    """What it may write."""


BOUNDS = Bounds()


@dataclass(frozen=True, slots=True)
class Examined:
    """What stands in the source of a template."""

    literals: tuple[str, ...]
    """What it writes as it is, and the texts of its expressions."""
    variables: frozenset[str]
    """The names that it expects to be given."""


def examine(source: str, bounds: Bounds = BOUNDS) -> Examined:
    """Compiles a template, and does not run it.

    Raises ModelFileError: it does not compile, or not within its bounds.
    """
    try:
        answer = cast("dict[str, list[str]]", _ask({"source": source}, bounds))
    except InvalidRequestError as error:
        raise ModelFileError(error.message) from error
    return Examined(tuple(answer["literals"]), frozenset(answer["variables"]))


def render(source: str, variables: Mapping[str, Any], bounds: Bounds = BOUNDS) -> str:
    """What the template writes; the variables are JSON values.

    Raises InvalidRequestError: it fails. TemplateOverLimitError: it takes too much.
    """
    return cast("str", _ask({"source": source, "variables": variables}, bounds)["text"])


def _ask(request: Mapping[str, Any], bounds: Bounds) -> dict[str, Any]:
    line = json.dumps(request, ensure_ascii=False).encode("utf-8", "surrogatepass")
    worker = _take(bounds)
    answer = worker.ask(line)
    if answer is None and worker.exit_code() != _LATE:  # somebody ended it, perhaps while it waited
        worker = _Worker(bounds)
        answer = worker.ask(line)
    if answer is None:
        code = worker.exit_code()
        late = f"it does not end within {bounds.seconds:g} seconds"
        raise TemplateOverLimitError(late if code == _LATE else f"its process ended with exit code {code}")
    if "limit" in answer:
        worker.end()  # with the memory that it took
        raise TemplateOverLimitError(answer["limit"])
    _give_back(worker)
    if "refused" in answer:
        raise InvalidRequestError(answer["refused"])
    return answer


class _Worker:
    """One process, which answers one request after the other."""

    def __init__(self, bounds: Bounds) -> None:
        self.bounds = bounds
        # `-P`: modules in the folder of the script, or in the user's, are not what its imports mean.
        limits = (str(bounds.seconds), str(bounds.bytes), str(bounds.characters))
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(_WORKER), *limits],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                creationflags=subprocess.CREATE_NO_WINDOW if sys.platform == "win32" else 0,
            )
        except OSError as error:
            raise _not_started(str(error)) from error
        self._requests, self._replies = cast("IO[bytes]", self._process.stdin), cast("IO[bytes]", self._process.stdout)
        if self.ask(b'{"source": ""}') is None:
            raise _not_started(f"it ended with exit code {self.exit_code()}")

    def ask(self, line: bytes) -> dict[str, Any] | None:
        """Its answer; None where it ended instead."""
        try:
            self._requests.write(line + b"\n")
            self._requests.flush()
            answer = self._replies.readline()
        except OSError:
            return None
        except BaseException:
            self.end()
            raise
        return cast("dict[str, Any]", json.loads(answer)) if answer.endswith(b"\n") else None

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


def _not_started(reason: str) -> EngineError:
    return EngineError(
        f"The process for chat templates could not be started: {reason}.",
        hint=f"It is `{sys.executable}` with {_WORKER}; see whether something on this machine forbids that.",
    )


_idle: list[_Worker] = []
_lock = threading.Lock()


def _take(bounds: Bounds) -> _Worker:
    """One that waits for work, or a new one."""
    with _lock:
        for worker in list(_idle):
            if worker.bounds == bounds:
                _idle.remove(worker)
                if worker.runs:
                    return worker
                worker.end()
    return _Worker(bounds)


def _give_back(worker: _Worker) -> None:
    with _lock:
        _idle.append(worker)
        surplus = _idle.pop(0) if len(_idle) > _MOST_IDLE else None  # the one that waited longest
    if surplus is not None:
        surplus.end()


@atexit.register
def _end_all() -> None:
    with _lock:
        while _idle:
            _idle.pop().end()
