"""The engine's figures, each defined once: value, help text, unit, kind, and the names under which it is shown.

`/metrics`, `/statistics`, the MCP resource and the channel read what is here and keep no list of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Literal, TypeVar

Kind = Literal["gauge", "counter"]
"""A counter only grows while the engine is loaded; a gauge goes up and down."""

Unit = Literal["requests", "passes", "sequences", "tokens", "blocks", "checkpoints", "bytes", "seconds", "ratio"]

_KEY = "figure"
_Compute = TypeVar("_Compute", bound=Callable[..., float])


@dataclass(frozen=True, slots=True)
class Figure:
    """What a figure is.

    `metric` is its name at `/metrics`, without prefix and suffix; `place` is where `/statistics` has it, as the keys
    on the way there joined by dots; None where it is not shown. A derived figure is rounded to `digits` for people.
    """

    help: str
    unit: Unit
    kind: Kind
    metric: str
    place: str | None = None
    digits: int | None = None


def _counter(help_text: str, unit: Unit, metric: str, place: str | None = None) -> Mapping[str, Figure]:
    return {_KEY: Figure(help_text, unit, "counter", metric, place)}


def _gauge(help_text: str, unit: Unit, metric: str, place: str | None = None) -> Mapping[str, Figure]:
    return {_KEY: Figure(help_text, unit, "gauge", metric, place)}


_derived: dict[str, Figure] = {}


def _derive(
    help_text: str, unit: Unit, metric: str, place: str | None = None, *, digits: int
) -> Callable[[_Compute], _Compute]:
    """Makes a figure of a property of EngineStatistics."""

    def define(compute: _Compute) -> _Compute:
        _derived[compute.__name__] = Figure(help_text, unit, "gauge", metric, place, digits)
        return compute

    return define


@dataclass(frozen=True, slots=True)
class EngineStatistics:
    """Figures since the engine started, and the state it is in.

    `row_bytes` are reserved; only what is written takes memory, so what is lent does not. `output_tokens` are those
    of answers, also those that no pass gave because a grammar forces them.
    """

    waiting: int = field(metadata=_gauge("Requests in the queue.", "requests", "requests_waiting", "requests.waiting"))
    running: int = field(
        metadata=_gauge("Requests being answered.", "requests", "requests_running", "requests.running")
    )
    pause_p95: float = field(
        metadata=_gauge(
            "Seconds that answers pause between two of their pieces: 95th percentile of the last 1,024 pauses.",
            "seconds",
            "answer_pause_p95_seconds",
            "pauses.p95_seconds",
        )
    )
    finished: int = field(metadata=_counter("Requests answered.", "requests", "requests_finished", "requests.finished"))
    failed: int = field(
        metadata=_counter("Requests that ended with an error.", "requests", "requests_failed", "requests.failed")
    )
    cancelled: int = field(
        metadata=_counter("Requests that their clients left.", "requests", "requests_cancelled", "requests.cancelled")
    )
    forward_passes: int = field(
        metadata=_counter("Passes through the model.", "passes", "forward_passes", "passes.all")
    )
    decode_passes: int = field(
        metadata=_counter("Those that prolonged answers.", "passes", "decode_passes", "passes.decode")
    )
    shared_passes: int = field(
        metadata=_counter(
            "Those that read the prefix all requests share only once.",
            "passes",
            "shared_passes",
            "passes.with_shared_prefix",
        )
    )
    mixed_passes: int = field(
        metadata=_counter(
            "Those that read a piece of a prompt, too.", "passes", "mixed_passes", "passes.with_piece_of_prompt"
        )
    )
    decode_rows: int = field(
        metadata=_counter("Requests that decode passes served, in sum.", "sequences", "decode_sequences")
    )
    output_tokens: int = field(metadata=_counter("Tokens of all answers.", "tokens", "output_tokens", "tokens.output"))
    prefill_tokens: int = field(metadata=_counter("Prompt tokens computed.", "tokens", "prefill_tokens"))
    input_tokens: int = field(
        metadata=_counter("Prompt tokens of all requests.", "tokens", "input_tokens", "tokens.input")
    )
    cached_tokens: int = field(
        metadata=_counter("Prompt tokens taken from the prefix cache.", "tokens", "cached_tokens", "tokens.cached")
    )
    lent_tokens: int = field(
        metadata=_counter(
            "Those that were not copied, because all running requests share them.",
            "tokens",
            "lent_tokens",
            "shared_prefix.lent_tokens",
        )
    )
    drafted_tokens: int = field(metadata=_counter("Tokens guessed.", "tokens", "speculation_drafted_tokens"))
    accepted_tokens: int = field(
        metadata=_counter("Tokens guessed and right.", "tokens", "speculation_accepted_tokens")
    )
    weights_bytes: int = field(
        metadata=_gauge("Memory that loading the weights took.", "bytes", "weights_bytes", "memory.weights_bytes")
    )
    scratch_bytes: int = field(
        metadata=_gauge("What passes need meanwhile, at most.", "bytes", "scratch_bytes", "memory.scratch_bytes")
    )
    memory_bytes_budget: int = field(
        metadata=_gauge(
            "The most that the model may take, weights and all; 0: nobody planned.",
            "bytes",
            "memory_budget_bytes",
            "memory.budget_bytes",
        )
    )
    row_bytes: int = field(
        metadata=_gauge(
            "Reserved for keys and values of running requests.", "bytes", "row_bytes", "running_memory.bytes"
        )
    )
    row_bytes_budget: int = field(
        metadata=_gauge("The most that those may take.", "bytes", "row_budget_bytes", "running_memory.budget_bytes")
    )
    shared_bytes: int = field(
        metadata=_gauge(
            "The copies of the prefix that all running requests share.",
            "bytes",
            "shared_prefix_bytes",
            "shared_prefix.bytes",
        )
    )
    shared_bytes_budget: int = field(
        metadata=_gauge(
            "The most that those may take.", "bytes", "shared_prefix_budget_bytes", "shared_prefix.budget_bytes"
        )
    )
    cache_blocks: int = field(
        metadata=_gauge("Blocks in the prefix cache.", "blocks", "prefix_cache_blocks", "prefix_cache.blocks")
    )
    cache_bytes: int = field(
        metadata=_gauge("Keys and values in the prefix cache.", "bytes", "prefix_cache_bytes", "prefix_cache.bytes")
    )
    cache_bytes_budget: int = field(
        metadata=_gauge(
            "The most that those may take.", "bytes", "prefix_cache_budget_bytes", "prefix_cache.budget_bytes"
        )
    )
    cache_evictions: int = field(
        metadata=_counter(
            "Blocks dropped from the prefix cache.", "blocks", "prefix_cache_evictions", "prefix_cache.evictions"
        )
    )
    checkpoints: int = field(
        metadata=_gauge(
            "Checkpoints of recurrent states in the prefix cache.", "checkpoints", "checkpoints", "checkpoints.held"
        )
    )
    checkpoint_bytes: int = field(metadata=_gauge("What those take.", "bytes", "checkpoint_bytes", "checkpoints.bytes"))
    checkpoint_bytes_budget: int = field(
        metadata=_gauge("The most that those may take.", "bytes", "checkpoint_budget_bytes", "checkpoints.budget_bytes")
    )
    checkpoint_evictions: int = field(
        metadata=_counter(
            "Checkpoints dropped to make room.", "checkpoints", "checkpoint_evictions", "checkpoints.evictions"
        )
    )

    @property
    @_derive("Requests that one decode pass served, on average.", "sequences", "batch_occupancy", digits=3)
    def batch_occupancy(self) -> float:
        """Sequences that a decode pass served on average."""
        return self.decode_rows / self.decode_passes if self.decode_passes else 0.0

    @property
    @_derive("Tokens of answers that one forward pass brought, on average.", "tokens", "tokens_per_pass", digits=3)
    def tokens_per_pass(self) -> float:
        """Tokens of answers that a forward pass brought on average, be it over a prompt or in decoding."""
        return self.output_tokens / self.forward_passes if self.forward_passes else 0.0

    @property
    @_derive(
        "Share of all prompt tokens not computed again.",
        "ratio",
        "prefix_cache_hit_ratio",
        "tokens.cached_share",
        digits=4,
    )
    def cache_hit_rate(self) -> float:
        """Share of all prompt tokens that were not computed again."""
        return self.cached_tokens / self.input_tokens if self.input_tokens else 0.0

    @property
    @_derive(
        "Weights, scratch, running requests, prefix cache, checkpoints and shared prefix.",
        "bytes",
        "memory_bytes",
        "memory.bytes",
        digits=0,
    )
    def memory_bytes(self) -> int:
        """What the model takes now: the sum of its parts."""
        passes = self.weights_bytes + self.scratch_bytes + self.row_bytes
        return passes + self.cache_bytes + self.checkpoint_bytes + self.shared_bytes

    def values(self) -> Iterator[tuple[Figure, float]]:
        """Every figure with its value now, derived ones included."""
        return ((figure, getattr(self, name)) for name, figure in FIGURES.items())

    def by_name(self) -> dict[str, Any]:
        """Every figure by the name it has here, derived ones rounded."""
        derived = {name: round(getattr(self, name), figure.digits) for name, figure in _derived.items()}
        return {**asdict(self), **derived}

    def by_place(self) -> dict[str, dict[str, Any]]:
        """The figures that have a place, there: `{"requests": {"waiting": …}, …}`; derived ones rounded."""
        shown: dict[str, dict[str, Any]] = {}
        values = self.by_name()
        for name, figure in FIGURES.items():
            if figure.place is not None:
                group, _, key = figure.place.partition(".")
                shown.setdefault(group, {})[key] = values[name]
        return shown


FIGURES: Mapping[str, Figure] = {entry.name: entry.metadata[_KEY] for entry in fields(EngineStatistics)} | _derived
"""What every field and every derived figure of EngineStatistics is, by its name there."""
