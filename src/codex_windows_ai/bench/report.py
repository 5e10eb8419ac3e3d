"""The report of a run, with the machine and the versions it was made on.

One JSON object; tables for a terminal; a bar chart as SVG written by hand, whose colours follow the reader's light or
dark setting and whose background stays transparent.
"""

from __future__ import annotations

import io
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any
from xml.sax.saxutils import escape

import psutil
from rich.console import Console
from rich.table import Table

from codex_windows_ai.bench.figures import Comparison, Outcome, Result, Spread, unit_of
from codex_windows_ai.hardware.cpu import read_cpu
from codex_windows_ai.hardware.memory import read_memory

_PACKAGES = ("codex-windows-ai", "onnxruntime", "onnxruntime-windowsml", "onnxruntime-genai")
_LOOK_SECONDS = 1.0

_COLUMNS = 120
_LEFT_OUT = ("_p99_s", "_mean_s", "seconds")

_WIDTH, _MARGIN = 760, 20
_BARS_LEFT, _BARS_WIDTH = 200, 320
_HEAD, _GROUP, _BAR, _FOOT = 64, 68, 16, 28

_STYLE = """
text { font: 13px system-ui, "Segoe UI", sans-serif; fill: #1f2328; }
.title { font-size: 17px; font-weight: 600; }
.name, .ratio { font-weight: 600; }
.small { font-size: 11px; }
.side, .small { fill: #59636e; }
.baseline { fill: #8c959f; }
.ours { fill: #0969da; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; }
  .side, .small { fill: #9198a1; }
  .baseline { fill: #656c76; }
  .ours { fill: #4493f8; }
}
"""


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


def value_text(value: float, unit: str) -> str:
    """A figure with its unit: `1.25 s`, `480 ms`, `312 MB`, `14.2 /s`, `97 %`."""
    if unit == "s":
        return f"{1000 * value:.0f} ms" if value < 1 else f"{value:.2f} s"
    if unit == "bytes":
        return f"{value / 1e6:,.0f} MB"
    if unit == "1/s":
        return f"{value:,.3g} /s" if value < 100 else f"{value:,.0f} /s"
    if unit == "share":
        return f"{value:.0%}"
    return f"{value:,.3g}"


def spread_text(spread: Spread, unit: str) -> str:
    """The median, and where there were several rounds the lowest and highest of them."""
    middle = value_text(spread.median, unit)
    if len(spread.rounds) == 1:
        return middle
    return f"{middle} ({value_text(spread.low, unit)} to {value_text(spread.high, unit)})"


def report_text(report: Report) -> str:
    """The report as plain text; what was measured in several rounds is followed by its lowest and highest."""
    machine, output = report.machine, io.StringIO()
    console = Console(file=output, width=_COLUMNS, highlight=False, markup=False)
    console.print(f"{machine['cpu']}, {machine['cores']} cores, {machine['memory'] / 1e9:.1f} GB, {machine['os']}")
    console.print(f"model {report.model}; " + ", ".join(f"{name} {found}" for name, found in report.versions.items()))
    console.print(f"$ {report.command}")
    if machine["busy_percent"] > 10:
        console.print(f"WARNING: other programs took {machine['busy_percent']:.0f} % of the processor at the start.")
    for outcome in report.outcomes:
        for table in (*_figures(outcome), _comparisons(outcome), _targets(outcome)):
            if table.row_count:
                console.print()
                console.print(table)
        for note in outcome.notes:
            console.print(note)
    return output.getvalue()


def _figures(outcome: Outcome) -> list[Table]:
    """A row for each result with its medians, in a table with those that have some of the same figures.

    Their spreads, and all other percentiles, are in the JSON.
    """
    groups: list[list[Result]] = []
    for result in outcome.results:
        group = next((group for group in groups if any(result.figures.keys() & one.figures for one in group)), None)
        if group is None:
            groups.append([result])
        else:
            group.append(result)
    return [_figures_of(outcome.workload, group) for group in groups]


def _figures_of(workload: str, results: Sequence[Result]) -> Table:
    names = [name for result in results for name in result.figures if not name.endswith(_LEFT_OUT)]
    names = list(dict.fromkeys(names))
    headings = [_heading(name) for name in names]
    table = Table("side", *headings, title=workload, title_justify="left")
    for result in results:
        side = f"{result.side}: {result.case}" if result.case else result.side
        values = [result.figures.get(name) for name in names]
        cells = [
            value_text(value.median, unit_of(name)) if value else "" for name, value in zip(names, values, strict=True)
        ]
        table.add_row(side, *cells)
    return table


def _heading(name: str) -> str:
    if name.endswith("_per_s"):
        return name.removesuffix("_per_s").replace("_", " ") + "/s"
    return name.removesuffix("_s").replace("_bytes", "").replace("_", " ")


def _comparisons(outcome: Outcome) -> Table:
    table = Table("comparison", "baseline", "ours", "ours / baseline")
    for comparison in outcome.comparisons:
        table.add_row(
            comparison.name,
            f"{comparison.baseline_name}: {spread_text(comparison.baseline, comparison.unit)}",
            spread_text(comparison.ours, comparison.unit),
            spread_text(comparison.ratio, ""),
        )
    return table


def _targets(outcome: Outcome) -> Table:
    table = Table("target", "value", "must be", "")
    for target in outcome.targets:
        table.add_row(target.name, spread_text(target.value, ""), target.must, "met" if target.met else "MISSED")
    return table


def report_svg(report: Report) -> str:
    """The chart as an SVG document."""
    groups = [_group(outcome.workload, comparison) for outcome in report.outcomes for comparison in outcome.comparisons]
    height = _HEAD + _GROUP * len(groups) + _FOOT
    machine = report.machine
    where = f"{machine['cpu']}, {machine['cores']} cores, {machine['memory'] / 1e9:.0f} GB · {report.model}"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{height}" '
        f'viewBox="0 0 {_WIDTH} {height}" role="img">',
        f"<title>{escape(report.command)}</title>",
        f"<style>{_STYLE}</style>",
        _text(_MARGIN, 26, f"Benchmark: {report.workload}", "title"),
        _text(_MARGIN, 46, where, "side"),
        *(f'<g transform="translate(0 {_HEAD + _GROUP * number})">{group}</g>' for number, group in enumerate(groups)),
        _text(_MARGIN, height - 12, f"$ {report.command}", "small"),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _group(workload: str, comparison: Comparison) -> str:
    before, after = comparison.baseline.median, comparison.ours.median
    longest = max(before, after) or 1.0
    parts = [_text(_MARGIN, 14, f"{workload}: {comparison.name}", "name")]
    sides = [(comparison.baseline_name, before, "baseline", 22), (comparison.ours_name, after, "ours", 42)]
    for name, value, style, top in sides:
        width = _BARS_WIDTH * value / longest
        parts += [
            _text(_BARS_LEFT - 8, top + 13, name, "side", "end"),
            f'<rect class="{style}" x="{_BARS_LEFT}" y="{top}" width="{width:.1f}" height="{_BAR}" rx="2"/>',
            _text(_BARS_LEFT + width + 8, top + 13, value_text(value, comparison.unit)),
        ]
    ratio = comparison.ratio.median
    parts.append(_text(_WIDTH - _MARGIN, 35, f"x {value_text(ratio, '')}", "ratio", "end"))
    return "".join(parts)


def _text(x: float, y: float, text: str, style: str = "", anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y}" class="{style}" text-anchor="{anchor}">{escape(text)}</text>'
