"""Main memory."""

from __future__ import annotations

import ctypes
import sys

import psutil
import pytest

from codex_windows_ai.hardware.memory import read_memory, return_freed_memory

PIECE, PIECES = 64 * 1024, 1000  # so small that the C library keeps them in its heap


def test_some_of_the_memory_is_available() -> None:
    memory = read_memory()

    assert 0 < memory.available <= memory.total


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's heap")
def test_freed_memory_goes_back_though_something_above_it_is_kept() -> None:
    library = ctypes.CDLL(None)
    library.malloc.restype, library.free.argtypes = ctypes.c_void_p, [ctypes.c_void_p]
    pieces = [library.malloc(PIECE) for _ in range(PIECES)]
    for piece in pieces:
        ctypes.memset(piece, 1, PIECE)
    process, kept = psutil.Process(), pieces.pop()
    for piece in pieces:
        library.free(piece)
    before = process.memory_info().rss

    return_freed_memory()

    assert before - process.memory_info().rss > PIECE * PIECES // 2
    library.free(kept)
