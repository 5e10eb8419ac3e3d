"""Main memory."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass

import psutil

__all__ = [
    "SHORT_OF_MEMORY",
    "Memory",
    "address_space_limit",
    "is_short_of_memory",
    "own_memory",
    "read_memory",
    "return_freed_memory",
]

SHORT_OF_MEMORY = "Where the memory of a process is limited (`ulimit -v`), allow more; else install this package again."
"""What to do where a library cannot be loaded: its error is the same where it is broken and where memory is short."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Main memory in bytes; `available` can be had without swapping."""

    total: int
    available: int


def read_memory() -> Memory:
    """The main memory of this machine, now."""
    memory = psutil.virtual_memory()
    return Memory(total=memory.total, available=memory.available)


def address_space_limit() -> int | None:
    """Bytes of addresses that this process and those that it starts may use (`ulimit -v`); None: no such limit."""
    if sys.platform != "linux":
        return None
    limit, _most = psutil.Process().rlimit(psutil.RLIMIT_AS)
    return None if limit == psutil.RLIM_INFINITY else limit


def is_short_of_memory(error: Exception) -> bool:
    """Whether it may come of too little memory: a library that does not load, a thread that gets no stack."""
    return isinstance(error, ImportError | MemoryError) or (
        isinstance(error, RuntimeError) and "can't start new thread" in str(error)
    )


def own_memory() -> int:
    """Bytes of main memory that this process has and no file on the disk."""
    info = psutil.Process().memory_info()
    return info.rss - info.shared if sys.platform == "linux" else int(getattr(info, "private", info.rss))


def return_freed_memory() -> None:
    """Gives the system what the C library keeps of freed memory; does nothing where that is not glibc.

    Its heap only shrinks at its end, so that one small allocation can hold what a loading model needed for a moment.
    """
    if sys.platform == "linux" and (trim := getattr(ctypes.CDLL(None), "malloc_trim", None)):
        trim(0)
