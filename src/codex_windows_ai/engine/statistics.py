"""What the engine counts."""

from __future__ import annotations

import math
import time
from collections import deque
from dataclasses import dataclass


@dataclass(slots=True)
class Counters:
    """Figures since the engine started, by their names in `protocol.statistics.EngineStatistics`."""

    finished: int = 0
    failed: int = 0
    cancelled: int = 0
    decode_passes: int = 0
    shared_passes: int = 0
    mixed_passes: int = 0
    decode_rows: int = 0
    output_tokens: int = 0
    prefill_tokens: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    lent_tokens: int = 0
    drafted_tokens: int = 0
    accepted_tokens: int = 0


class Pauses:
    """How long answers paused between two of their pieces: the last `LAST` of all answers."""

    LAST = 1024

    def __init__(self) -> None:
        self._seconds: deque[float] = deque(maxlen=self.LAST)

    def note(self, before: float | None) -> float:
        """A piece of an answer came, whose last one came `before`, if there was one; returns when."""
        now = time.perf_counter()
        if before is not None:
            self._seconds.append(now - before)
        return now

    @property
    def p95(self) -> float:
        """Seconds that 95 of 100 pauses were no longer than; 0 before there was any."""
        ordered = sorted(self._seconds)
        return ordered[math.ceil(0.95 * len(ordered)) - 1] if ordered else 0.0
