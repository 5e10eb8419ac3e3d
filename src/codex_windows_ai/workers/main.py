"""What runs in a worker process: bytes in, bytes out, one piece of work at a time, until standard input ends.

A process is the only place where both time and memory can be ended from outside, on every system, whatever library
takes them. `pool.py` starts it. It is given the path of a module with a function `answer(request) -> reply`, of bytes,
and loads nothing else of ours: it begins quickly. What `answer` raises may say in its attribute `limit` which limit the
work went over.
"""

from __future__ import annotations

import faulthandler
import importlib
import os
import signal
import sys
import time
from collections.abc import Callable
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import IO, Any

_WALL = 3.0 if sys.platform == "win32" else 10.0
"""Seconds by the clock for each of processor time, which others may take meanwhile; Windows has no timer of that."""


def main(module: str, most_bytes: int) -> None:
    """Answers requests; before each stands a line `SECONDS BYTES`: processor time that it may take, and its length.

    Before a reply stands `SECONDS BYTES OVER`: the time that it took, its length, and 1 where the reply is a limit in
    words, else 0. What takes longer ends the process where it stands.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the process that started this one
    answer = _answer_of(module)
    kept = _limit_memory(most_bytes)
    requests, replies = sys.stdin.buffer, sys.stdout.buffer
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        for line in requests:
            seconds, size = line.split()
            request = requests.read(int(size))
            began, reply, limit = time.process_time(), b"", ""
            _watch(float(seconds), nowhere)
            try:
                reply = answer(request)
            except MemoryError:
                limit = "it takes more memory than it may"
            except BaseException as error:  # a panic of a library in Rust is none of Exception
                limit = getattr(error, "limit", f"it fails with {type(error).__name__}: {error}"[:1000])
            _watch(0, nowhere)
            if limit:
                reply = limit.encode("utf-8", "replace")
            replies.write(f"{time.process_time() - began:.6f} {len(reply)} {int(bool(limit))}\n".encode())
            replies.write(reply)
            replies.flush()
            del request, reply
    del kept


def _answer_of(path: str) -> Callable[[bytes], bytes]:
    loader = SourceFileLoader("worker_module", path)
    module = ModuleType(loader.name)
    loader.exec_module(module)
    return module.answer


def _watch(seconds: float, nowhere: IO[str]) -> None:
    """Ends this process after so much processor time, where the system counts it, and so much of the clock; 0: not.

    Both need no lock of the interpreter, and so end a single operation, too.
    """
    if sys.platform != "win32":
        signal.setitimer(signal.ITIMER_PROF, seconds)  # what the signal does to who has no handler for it
    if seconds:
        faulthandler.dump_traceback_later(seconds * _WALL, exit=True, file=nowhere)
    else:
        faulthandler.cancel_dump_traceback_later()


def _limit_memory(most_bytes: int) -> Any:
    """Has the system refuse this process more; what is returned must be kept."""
    if sys.platform != "win32":
        import resource

        _, hard = resource.getrlimit(resource.RLIMIT_AS)  # who started us may allow less, and nobody may raise that
        most = most_bytes if hard == resource.RLIM_INFINITY else min(most_bytes, hard)
        return resource.setrlimit(resource.RLIMIT_AS, (most, most))
    jobs: Any = importlib.import_module("win32job")  # pywin32 ships no types
    job = jobs.CreateJobObject(None, "")
    limits = jobs.QueryInformationJobObject(job, jobs.JobObjectExtendedLimitInformation)
    limits["BasicLimitInformation"]["LimitFlags"] |= jobs.JOB_OBJECT_LIMIT_PROCESS_MEMORY
    limits["ProcessMemoryLimit"] = most_bytes
    jobs.SetInformationJobObject(job, jobs.JobObjectExtendedLimitInformation, limits)
    jobs.AssignProcessToJobObject(job, importlib.import_module("win32api").GetCurrentProcess())
    return job


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
