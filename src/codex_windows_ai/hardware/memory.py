"""Main memory."""

from __future__ import annotations

from dataclasses import dataclass

import psutil

__all__ = ["Memory", "read_memory"]


@dataclass(frozen=True, slots=True)
class Memory:
    """Main memory in bytes; `available` can be had without swapping."""

    total: int
    available: int


def read_memory() -> Memory:
    """The main memory of this machine, now."""
    memory = psutil.virtual_memory()
    return Memory(total=memory.total, available=memory.available)
