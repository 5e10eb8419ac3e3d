"""Our own engine, one request after another."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from codex_windows_ai.bench.ours import Ours
from codex_windows_ai.bench.process import Reply


class Serial:
    """Puts the requests of all agents in one line, first come, first served.

    With the same configuration, what is faster without the line is what batching gives.
    """

    name = "serial"

    def __init__(self, ours: Ours) -> None:
        self._ours = ours
        self._line = ThreadPoolExecutor(max_workers=1)

    def generate(self, agent: int, prompt: Sequence[int], max_output_tokens: int) -> Reply:
        """One greedy answer, once everybody who came before has theirs; its times include that wait."""
        asked = time.perf_counter()
        reply = self._line.submit(self._ours.generate, agent, prompt, max_output_tokens).result()
        waited = time.perf_counter() - asked - reply.total
        return replace(reply, first_token=reply.first_token + waited, total=reply.total + waited)

    def memory_bytes(self) -> int:
        """Physical memory of the engine's process now."""
        return self._ours.memory_bytes()

    def close(self) -> None:
        """Ends the engine's process."""
        self._line.shutdown()
        self._ours.close()
