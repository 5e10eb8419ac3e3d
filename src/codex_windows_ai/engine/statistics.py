"""What the engine counts."""

from __future__ import annotations

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
