"""The report as a bar chart: before and after of every comparison, as SVG written by hand.

Colours follow the reader's light or dark setting; the background stays transparent.
"""

from __future__ import annotations

from xml.sax.saxutils import escape

from codex_windows_ai.bench.figures import Comparison
from codex_windows_ai.bench.report import Report
from codex_windows_ai.bench.units import value_text

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
