"""What is compared: something that answers several agents at once."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

from codex_windows_ai.bench.process import Reply

SAMPLING_SECONDS = 1.0


class Side(Protocol):
    """One way of serving agents. Made ready (processes started, model loaded) before a clock runs."""

    name: str

    def generate(self, agent: int, prompt: Sequence[int], max_output_tokens: int) -> Reply:
        """One greedy answer of exactly `max_output_tokens` tokens to the agent of that number."""
        ...

    def memory_bytes(self) -> int:
        """Physical memory of all its processes now."""
        ...

    def close(self) -> None:
        """Ends its processes."""
        ...


class PeakMemory:
    """The most memory that a side used while this context was open, looked at once a second."""

    def __init__(self, side: Side) -> None:
        self._side = side
        self._left = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self.bytes = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._left.set()
        self._thread.join()
        self._look()

    def _watch(self) -> None:
        while not self._left.wait(SAMPLING_SECONDS):
            self._look()

    def _look(self) -> None:
        self.bytes = max(self.bytes, self._side.memory_bytes())
