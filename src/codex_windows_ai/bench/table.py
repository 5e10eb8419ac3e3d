"""The report as tables for a terminal."""

from __future__ import annotations

import io

from rich.console import Console
from rich.table import Table

from codex_windows_ai.bench.outcome import Outcome
from codex_windows_ai.bench.report import Report
from codex_windows_ai.bench.units import spread_text, unit_of, value_text

_WIDTH = 120
_LEFT_OUT = ("_p99_s", "_mean_s", "seconds")


def report_text(report: Report) -> str:
    """The report as plain text; what was measured in several rounds is followed by its lowest and highest."""
    machine, output = report.machine, io.StringIO()
    console = Console(file=output, width=_WIDTH, highlight=False, markup=False)
    console.print(f"{machine['cpu']}, {machine['cores']} cores, {machine['memory'] / 1e9:.1f} GB, {machine['os']}")
    console.print(f"model {report.model}; " + ", ".join(f"{name} {found}" for name, found in report.versions.items()))
    console.print(f"$ {report.command}")
    if machine["busy_percent"] > 10:
        console.print(f"WARNING: other programs took {machine['busy_percent']:.0f} % of the processor at the start.")
    for outcome in report.outcomes:
        for table in (_figures(outcome), _comparisons(outcome), _targets(outcome)):
            if table.row_count:
                console.print()
                console.print(table)
        for note in outcome.notes:
            console.print(note)
    return output.getvalue()


def _figures(outcome: Outcome) -> Table:
    """A row for each result with its medians; their spreads, and all other percentiles, are in the JSON."""
    names = [name for result in outcome.results for name in result.figures if not name.endswith(_LEFT_OUT)]
    names = list(dict.fromkeys(names))
    headings = [_heading(name) for name in names]
    table = Table("side", *headings, title=outcome.workload, title_justify="left")
    for result in outcome.results:
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
