"""The floor under one stream: a step reads the weights, and all keys and values, from memory, and cannot be faster."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from codex_windows_ai.models.decoder_graph import DecoderGraph
from codex_windows_ai.models.folder import ModelFolder
from codex_windows_ai.models.graph_check import past_bytes

BUFFER_BYTES = 1 << 30
"""Several times the largest cache of any processor that people have."""
_PASSES = 3


def step_bytes(folder: ModelFolder, past: int) -> tuple[int, int]:
    """What a step of one token behind `past` tokens reads: bytes of weights, and of keys and values."""
    return DecoderGraph(folder.cpu_model_file).step_bytes, past_bytes(folder, past)


class Memory:
    """A buffer that no cache holds, and threads to read it with; a context manager."""

    def __init__(self, threads: int, size: int = BUFFER_BYTES) -> None:
        self.threads = threads
        # Ones, not zeros: pages that were never written are all the same one.
        self._parts = np.array_split(np.ones(size, np.uint8), threads)
        self._size = size
        self._pool = ThreadPoolExecutor(threads)

    def __enter__(self) -> Memory:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.shutdown()

    def bandwidth(self) -> float:
        """Bytes a second that all threads together read now: the best of a few passes, as a floor must be.

        A maximum of bytes is one vector instruction a vector, so that memory is what limits it.
        """
        best = float("inf")
        for _ in range(_PASSES):
            began = time.perf_counter()
            list(self._pool.map(np.max, self._parts))
            best = min(best, time.perf_counter() - began)
        return self._size / best
