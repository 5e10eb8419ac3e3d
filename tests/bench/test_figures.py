"""The arithmetic of the bench."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_windows_ai.bench.figures import Comparison, Spread, Target, latency_figures, percentile, ratio

numbers = st.floats(min_value=0, max_value=1e6)


@given(st.lists(numbers, min_size=1, max_size=50), st.floats(min_value=0, max_value=100))
def test_a_percentile_is_that_of_numpy(values: list[float], percent: float) -> None:
    assert percentile(values, percent) == pytest.approx(float(np.percentile(values, percent)))


@pytest.mark.parametrize(("values", "percent"), [([], 50), ([1.0], -1), ([1.0], 101)])
def test_a_percentile_of_nothing_or_outside_the_scale_is_refused(values: list[float], percent: float) -> None:
    with pytest.raises(ValueError, match="percentile"):
        percentile(values, percent)


def test_a_spread_has_the_median_the_lowest_and_the_highest_of_the_rounds() -> None:
    assert Spread((3.0, 1.0, 8.0)).to_json() == {"median": 3.0, "low": 1.0, "high": 8.0, "rounds": [3.0, 1.0, 8.0]}


def test_a_ratio_is_ours_by_baseline_round_by_round() -> None:
    # The second round ran on a machine ten times slower: both sides suffer, the ratio does not.
    assert ratio(Spread((1.0, 10.0)), Spread((4.0, 40.0))).rounds == (0.25, 0.25)


def test_a_ratio_of_sides_that_did_not_run_equally_often_is_refused() -> None:
    with pytest.raises(ValueError, match="shorter"):
        ratio(Spread((1.0, 2.0)), Spread((1.0,)))


def test_latencies_are_summed_up_for_each_round_alone() -> None:
    figures = latency_figures([[1.0, 2.0, 3.0], [10.0]])

    assert figures["latency_p50_s"].rounds == (2.0, 10.0)
    assert figures["latency_p95_s"].rounds == (pytest.approx(2.9), 10.0)
    assert figures["latency_mean_s"].rounds == (2.0, 10.0)


@pytest.mark.parametrize(
    ("bound", "value", "met"), [("<=", 0.2, True), ("<=", 0.21, False), (">=", 6.0, True), (">=", 5.9, False)]
)
def test_a_target_is_met_up_to_and_with_its_limit(bound: str, value: float, met: bool) -> None:
    limit = 0.2 if bound == "<=" else 6.0
    target = Target("latency", Spread((value,)), bound, limit)  # pyright: ignore[reportArgumentType]

    assert target.to_json() == {
        "name": "latency",
        "value": value,
        "must": f"{bound} {limit:g}",
        "met": met,
        "spread": [value, value],
    }


def test_the_median_of_the_rounds_decides_about_a_target() -> None:
    assert Target("latency", Spread((0.1, 0.15, 0.9)), "<=", 0.2).met


def test_a_comparison_names_both_sides_and_their_ratio() -> None:
    document = Comparison("latency", "s", Spread((1.0,)), Spread((4.0,)), "status quo").to_json()

    assert (document["ours_name"], document["baseline_name"]) == ("ours", "status quo")
    assert document["ratio"]["median"] == 0.25
