"""Answers that say the same over and over, against the plain reading of the period, and with a model that does."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_windows_ai.engine.configuration import EngineConfiguration
from codex_windows_ai.engine.core import EngineCore
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.engine.sampling.repetition import SPAN, repeated, smallest_period
from codex_windows_ai.errors import WindowsAiError
from codex_windows_ai.protocol.answer import Delta
from codex_windows_ai.protocol.request import SamplingParameters
from tests.engine.tiny_model import make_tiny_model

tokens = st.lists(st.integers(0, 2), min_size=1, max_size=40)


def plain_period(given: list[int]) -> int:
    return next(p for p in range(1, len(given) + 1) if given[p:] == given[: len(given) - p])


@given(tokens)
def test_the_period_is_the_least_distance_of_likes(given: list[int]) -> None:
    assert smallest_period(given) == plain_period(given)


@pytest.mark.parametrize("period", [1, 7, 100, 128])
def test_what_repeats_four_times_is_found_and_nothing_less(period: int) -> None:
    block = list(range(period))
    said = (block * SPAN)[:SPAN]

    assert repeated([9] * 3 + said, SPAN) == period
    assert repeated([9] * 3 + said, SPAN - 1) is None  # the prompt's own tokens are no answer
    assert repeated([*said[1:], 1000], SPAN) is None
    assert repeated((list(range(129)) * SPAN)[:SPAN], SPAN) is None


WINDOW = 640


@pytest.fixture(scope="module")
def core(tmp_path_factory: pytest.TempPathFactory) -> EngineCore:
    """A random model, whose greedy answers soon repeat themselves."""
    return EngineCore(
        make_tiny_model(Path(tmp_path_factory.mktemp("looping")), context=WINDOW), EngineConfiguration(threads=1)
    )


def answer(core: EngineCore, request: EngineRequest) -> list[Delta]:
    said: list[Delta | WindowsAiError] = []
    core.enqueue(core.prepare(request, said.append))
    while not core.idle:
        core.step()
    return [delta for delta in said if isinstance(delta, Delta)]


def test_a_greedy_answer_that_repeats_itself_is_ended_and_says_so(core: EngineCore) -> None:
    last, again = (
        answer(core, EngineRequest((5, 6, 7), sampling=SamplingParameters(seed=seed)))[-1] for seed in (1, 2)
    )

    assert last.finish_reason == "stop"
    assert last.usage is not None
    assert SPAN <= last.usage.output_tokens < WINDOW - 3
    assert last.repeated is not None
    assert again.usage is not None
    assert (again.repeated, again.usage.output_tokens) == (last.repeated, last.usage.output_tokens)


def test_an_answer_left_to_chance_goes_on_to_the_end_of_the_window(core: EngineCore) -> None:
    sampling = SamplingParameters(temperature=0.01, seed=1)
    last = answer(core, EngineRequest((5, 6, 7), sampling=sampling))[-1]

    assert (last.finish_reason, last.repeated) == ("length", None)
    assert last.usage is not None
    assert last.usage.output_tokens == WINDOW - 3
