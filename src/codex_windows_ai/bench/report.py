"""The report of a run: one JSON object."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from codex_windows_ai.bench.figures import Spread
from codex_windows_ai.bench.outcome import Outcome


@dataclass(frozen=True, slots=True)
class Report:
    """What was measured, where, and how to measure it again."""

    workload: str
    machine: dict[str, Any]
    model: str
    versions: dict[str, str]
    command: str
    outcomes: tuple[Outcome, ...]

    def to_json(self) -> dict[str, Any]:
        """The report's fields.

        The ratios are ours / baseline, of the first workload that measures them (`agents`, where
        it ran); null where none does. Their spreads are among the comparisons.
        """
        return {
            "workload": self.workload,
            "measured_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "machine": self.machine,
            "model": self.model,
            "versions": self.versions,
            "command": self.command,
            "results": self._of_each("results"),
            "comparisons": self._of_each("comparisons"),
            "latency_ratio": _first([outcome.latency_ratio for outcome in self.outcomes]),
            "throughput_ratio": _first([outcome.throughput_ratio for outcome in self.outcomes]),
            "memory_ratio": _first([outcome.memory_ratio for outcome in self.outcomes]),
            "targets": self._of_each("targets"),
            "notes": [f"{outcome.workload}: {note}" for outcome in self.outcomes for note in outcome.notes],
        }

    def _of_each(self, part: str) -> list[dict[str, Any]]:
        return [
            {"workload": outcome.workload, **entry.to_json()}
            for outcome in self.outcomes
            for entry in getattr(outcome, part)
        ]


def _first(ratios: Sequence[Spread | None]) -> float | None:
    found = next((ratio for ratio in ratios if ratio is not None), None)
    return None if found is None else float(f"{found.median:.6g}")
