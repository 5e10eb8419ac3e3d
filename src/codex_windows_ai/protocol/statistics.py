"""What the engine did, for doors, doctor and bench to read."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EngineStatistics:
    """Figures since the engine started, and the state it is in.

    `shared_passes` are those decode passes that read a prefix which all their rows share only once.
    `lent_tokens` are those `cached_tokens` that rows did not copy, because all that run share them.
    `row_bytes` are reserved; only what is written takes memory, so what is lent does not.
    `decode_rows` adds up the sequences that decode passes served. `output_tokens` are those of answers, also
    those that no pass gave because a grammar forces them.
    """

    waiting: int
    running: int
    finished: int
    failed: int
    cancelled: int
    forward_passes: int
    decode_passes: int
    shared_passes: int
    decode_rows: int
    output_tokens: int
    prefill_tokens: int
    input_tokens: int
    cached_tokens: int
    lent_tokens: int
    drafted_tokens: int
    accepted_tokens: int
    row_bytes: int
    row_bytes_budget: int
    shared_bytes: int
    shared_bytes_budget: int
    cache_blocks: int
    cache_bytes: int
    cache_bytes_budget: int
    cache_evictions: int

    @property
    def batch_occupancy(self) -> float:
        """Sequences that a decode pass served on average."""
        return self.decode_rows / self.decode_passes if self.decode_passes else 0.0

    @property
    def tokens_per_pass(self) -> float:
        """Tokens of answers that a forward pass brought on average, be it over a prompt or in decoding."""
        return self.output_tokens / self.forward_passes if self.forward_passes else 0.0

    @property
    def cache_hit_rate(self) -> float:
        """Share of all prompt tokens that were not computed again."""
        return self.cached_tokens / self.input_tokens if self.input_tokens else 0.0
