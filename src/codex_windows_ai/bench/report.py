"""The report of a run: one JSON object, with the machine and the versions it was made on."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import psutil

from codex_windows_ai.bench.figures import Outcome, Spread
from codex_windows_ai.hardware.cpu import read_cpu
from codex_windows_ai.hardware.memory import read_memory

_PACKAGES = ("codex-windows-ai", "onnxruntime", "onnxruntime-windowsml", "onnxruntime-genai")
_LOOK_SECONDS = 1.0


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


def describe_machine() -> dict[str, Any]:
    """Processor, physical cores, what it has for matrices, memory in bytes, operating system.

    `busy_percent` is what other programs took of all cores during one second before the benchmark:
    figures of a busy machine are not worth quoting.
    """
    cpu = read_cpu()
    return {
        "cpu": cpu.name,
        "cores": cpu.physical_cores,
        "features": list(cpu.features),
        "memory": read_memory().total,
        "os": f"{platform.system()} {platform.release()} {platform.machine()}",
        "busy_percent": psutil.cpu_percent(interval=_LOOK_SECONDS),
    }


def versions() -> dict[str, str]:
    """What is installed of all that takes part."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found
