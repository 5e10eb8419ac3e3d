"""Figures as a person reads them."""

from __future__ import annotations

from codex_windows_ai.bench.figures import Spread


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


def unit_of(figure: str) -> str:
    """The unit that a figure's name ends with."""
    if figure.endswith("_per_s"):
        return "1/s"
    if figure.endswith("_s") or figure == "seconds":
        return "s"
    if "bytes" in figure:
        return "bytes"
    return "share" if figure.endswith("_share") else ""
