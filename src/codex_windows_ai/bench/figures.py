"""The arithmetic: percentiles, what a figure was over the rounds, ratios, targets, and what a workload found."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean, median
from typing import Any, Literal


def percentile(values: Sequence[float], percent: float) -> float:
    """Percentile with linear interpolation between ranks (type 7 of Hyndman and Fan 1996, as NumPy's).

    Raises ValueError: there are no values, or `percent` is outside 0 to 100.
    """
    if not values or not 0 <= percent <= 100:
        raise ValueError(f"percentile {percent} of {len(values)} values")
    ordered = sorted(values)
    rank = percent / 100 * (len(ordered) - 1)
    below = int(rank)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (rank - below) * (ordered[above] - ordered[below])


@dataclass(frozen=True, slots=True)
class Spread:
    """One figure over all rounds."""

    rounds: tuple[float, ...]

    @property
    def median(self) -> float:
        """The figure to quote."""
        return median(self.rounds)

    @property
    def low(self) -> float:
        """The lowest of the rounds."""
        return min(self.rounds)

    @property
    def high(self) -> float:
        """The highest of the rounds."""
        return max(self.rounds)

    def to_json(self) -> dict[str, Any]:
        """The figure with its spread, to six significant digits."""
        return {
            "median": _rounded(self.median),
            "low": _rounded(self.low),
            "high": _rounded(self.high),
            "rounds": [_rounded(value) for value in self.rounds],
        }


def ratio(ours: Spread, baseline: Spread) -> Spread:
    """Ours / baseline, round by round: what slows the machine down for a while slows both.

    Raises ValueError: the two have not the same number of rounds.
    """
    return Spread(tuple(a / b for a, b in zip(ours.rounds, baseline.rounds, strict=True)))


def latency_figures(rounds: Sequence[Sequence[float]], name: str = "latency") -> dict[str, Spread]:
    """Percentiles and mean of each round's latencies, in the unit that the latencies have."""
    percentiles = {
        f"{name}_p{percent}_s": Spread(tuple(percentile(values, percent) for values in rounds))
        for percent in (50, 95, 99)
    }
    return {**percentiles, f"{name}_mean_s": Spread(tuple(fmean(values) for values in rounds))}


@dataclass(frozen=True, slots=True)
class Comparison:
    """One figure of ours and of what it is compared with, `baseline_name`; units are s, bytes, or 1/s."""

    name: str
    unit: str
    ours: Spread
    baseline: Spread
    baseline_name: str
    ours_name: str = "ours"

    @property
    def ratio(self) -> Spread:
        """Ours / baseline."""
        return ratio(self.ours, self.baseline)

    def to_json(self) -> dict[str, Any]:
        """The comparison as an object."""
        return {
            "name": self.name,
            "unit": self.unit,
            "ours_name": self.ours_name,
            "baseline_name": self.baseline_name,
            "ours": self.ours.to_json(),
            "baseline": self.baseline.to_json(),
            "ratio": self.ratio.to_json(),
        }


def unit_of(figure: str) -> str:
    """The unit that a figure's name ends with."""
    if figure.endswith("_per_s"):
        return "1/s"
    if figure.endswith("_s") or figure == "seconds":
        return "s"
    if "bytes" in figure:
        return "bytes"
    return "share" if figure.endswith("_share") else ""


def compare(
    name: str, figure: str, figures: Mapping[str, Mapping[str, Spread]], ours: str, baseline: str
) -> Comparison:
    """One figure of two sides of `figures`; its unit is what its name ends with."""
    return Comparison(name, unit_of(figure), figures[ours][figure], figures[baseline][figure], baseline, ours)


@dataclass(frozen=True, slots=True)
class Target:
    """What a figure must be; `value` is the median over the rounds."""

    name: str
    value: Spread
    bound: Literal["<=", ">="]
    limit: float

    @property
    def met(self) -> bool:
        """The median is within the bound."""
        value = self.value.median
        return value <= self.limit if self.bound == "<=" else value >= self.limit

    @property
    def must(self) -> str:
        """The bound as text: `<= 0.2`."""
        return f"{self.bound} {self.limit:g}"

    def to_json(self) -> dict[str, Any]:
        """The target as an object."""
        value = self.value
        spread = [_rounded(value.low), _rounded(value.high)]
        return {
            "name": self.name,
            "value": _rounded(value.median),
            "must": self.must,
            "met": self.met,
            "spread": spread,
        }


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


def _rounded(value: float) -> float:
    return float(f"{value:.6g}")
