"""How an engine runs: plain values, which can be pickled or written as JSON."""

from __future__ import annotations

from dataclasses import dataclass, field

import psutil


def eighth_of_memory(total: int | None = None) -> int:
    """Of this machine's memory, or of `total` bytes; at most 2 GiB."""
    return min((psutil.virtual_memory().total if total is None else total) // 8, 2 * 1024**3)


@dataclass(frozen=True, slots=True)
class EngineConfiguration:
    """How an engine runs.

    `row_bytes` bounds the keys and values of running sequences, and their recurrent states, `cache_bytes` the keys and
    values kept for prefixes; each is by default an eighth of the machine's memory, at most 2 GiB. `checkpoint_bytes`
    bounds the states kept for prefixes, where there are any: by default as much. `shared_bytes`
    bounds the copies of the prefix that all running sequences share, by default a quarter of that; they
    are made where a pass then reads `shared_saving` tokens less (1,500 pay for themselves on two cores).
    `scratch_bytes` is what passes need meanwhile at most and `budget_bytes` what the model may take, weights
    and all, of which the others are parts (`memory_plan.py`); 0 where nobody planned.
    An answer whose request sets no limit may fill the window where several such fit `row_bytes`; otherwise it has
    `default_output_tokens` at least, so that it does not keep all others waiting. `prefill_chunk` is the most
    prompt tokens read in one pass, `prefill_pairs` the most of them times the tokens that they see (0: any), and
    `prefill_seconds` what one step spends on reading. With `half_precision` keys and values are float16 where the
    graph has them as float32.
    """

    threads: int | None = None
    max_sequences: int = 16
    queue_limit: int = 256
    row_bytes: int = field(default_factory=eighth_of_memory)
    cache_bytes: int = field(default_factory=eighth_of_memory)
    checkpoint_bytes: int = field(default_factory=eighth_of_memory)
    shared_bytes: int = field(default_factory=lambda: eighth_of_memory() // 4)
    scratch_bytes: int = 0
    budget_bytes: int = 0
    shared_saving: int = 1500
    default_output_tokens: int = 2048
    prefill_chunk: int = 256
    prefill_pairs: int = 0
    prefill_seconds: float = 0.12
    speculating_sequences: int = 2
    half_precision: bool = False
