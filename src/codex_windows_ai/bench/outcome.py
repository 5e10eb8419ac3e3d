"""What a workload found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from codex_windows_ai.bench.figures import Comparison, Spread, Target


@dataclass(frozen=True, slots=True)
class Result:
    """All figures of one side in one case of a workload. Times are in seconds (`_s`), memory in bytes."""

    side: str
    case: str
    figures: dict[str, Spread]

    def to_json(self) -> dict[str, Any]:
        """The result as an object."""
        figures = {name: figure.to_json() for name, figure in self.figures.items()}
        return {"side": self.side, "case": self.case, "figures": figures}


@dataclass(frozen=True, slots=True)
class Outcome:
    """A workload's results, what they mean beside its baseline, and what they had to be.

    The three ratios are ours / baseline; `latency_ratio` is of the medians (p50). None where the
    workload does not measure it. `notes` are sentences for the reader.
    """

    workload: str
    results: tuple[Result, ...]
    comparisons: tuple[Comparison, ...]
    targets: tuple[Target, ...]
    latency_ratio: Spread | None = None
    throughput_ratio: Spread | None = None
    memory_ratio: Spread | None = None
    notes: tuple[str, ...] = field(default=())
