"""The engine's figures and what is said of them."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import get_args

import pytest

from codex_windows_ai.protocol.statistics import FIGURES, EngineStatistics, Kind, Unit

DERIVED = {name for name, member in vars(EngineStatistics).items() if isinstance(member, property)}


def zero() -> EngineStatistics:
    return EngineStatistics(**{field.name: 0 for field in fields(EngineStatistics)})


def test_every_field_and_every_derived_figure_is_described() -> None:
    assert FIGURES.keys() == {field.name for field in fields(EngineStatistics)} | DERIVED
    assert {"batch_occupancy", "tokens_per_pass", "cache_hit_rate", "memory_bytes"} == DERIVED


@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_has_help_unit_and_kind(name: str) -> None:
    figure = FIGURES[name]

    assert figure.help.endswith(".")
    assert figure.unit in get_args(Unit)
    assert figure.kind in get_args(Kind)


def test_no_two_figures_have_one_metric_or_one_place() -> None:
    metrics = [figure.metric for figure in FIGURES.values()]
    places = [figure.place for figure in FIGURES.values() if figure.place]

    assert len(set(metrics)) == len(metrics)
    assert len(set(places)) == len(places) > 0


def test_values_names_and_places_tell_the_same() -> None:
    statistics = replace(zero(), waiting=3, input_tokens=3, cached_tokens=2, decode_passes=3, decode_rows=4)
    values = {figure.metric: value for figure, value in statistics.values()}

    assert (values["requests_waiting"], values["prefix_cache_hit_ratio"]) == (3, 2 / 3)
    assert statistics.by_name()["waiting"] == statistics.by_place()["requests"]["waiting"] == 3
    assert statistics.by_name()["cache_hit_rate"] == statistics.by_place()["tokens"]["cached_share"] == 0.6667
    assert statistics.by_name()["batch_occupancy"] == 1.333
    assert statistics.by_name().keys() == FIGURES.keys()
