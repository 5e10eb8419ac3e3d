"""Answers that say the same over and over, against the plain reading of the period, and with a model that does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_windows_ai.engine.configuration import EngineConfiguration
from codex_windows_ai.engine.core import EngineCore
from codex_windows_ai.engine.preamble import Preamble
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.engine.sampling import repetition
from codex_windows_ai.engine.sampling.repetition import SPAN, repeated, smallest_period
from codex_windows_ai.errors import WindowsAiError
from codex_windows_ai.models.folder import ModelFolder
from codex_windows_ai.protocol.answer import Delta
from codex_windows_ai.protocol.request import Grammar, SamplingParameters
from tests.engine.tiny_model import CONTEXT, make_tiny_model

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


SHORT = 64
"""In place of SPAN, so that a model need not say as much."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    """A random model, whose greedy answers soon repeat themselves."""
    return make_tiny_model(tmp_path_factory.mktemp("looping"))


@pytest.fixture
def core(folder: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> EngineCore:
    monkeypatch.setattr(repetition, "SPAN", SHORT)
    return EngineCore(folder, EngineConfiguration(threads=1))


def answer(core: EngineCore, **asked: Any) -> tuple[Delta, str, int]:
    """The last piece, all text, and how many tokens were said."""
    said: list[Delta | WindowsAiError] = []
    core.enqueue(core.prepare(EngineRequest((5, 6, 7), **asked), said.append))
    while not core.idle:
        core.step()
    deltas = [delta for delta in said if isinstance(delta, Delta)]
    usage = deltas[-1].usage
    assert usage is not None
    return deltas[-1], "".join(delta.text for delta in deltas), usage.output_tokens


def test_a_greedy_answer_that_repeats_itself_is_ended_and_says_so(core: EngineCore) -> None:
    (last, text, tokens), (again, *rest) = (answer(core, sampling=SamplingParameters(seed=seed)) for seed in (1, 2))

    assert (last.finish_reason, last.stop_sequence) == ("stop", None)
    assert last.repeated is not None
    assert SHORT <= tokens < CONTEXT - 3
    assert (again.repeated, rest) == (last.repeated, [text, tokens])


def test_an_answer_left_to_chance_goes_on_to_the_end_of_the_window(core: EngineCore) -> None:
    last, _, tokens = answer(core, sampling=SamplingParameters(temperature=0.01, seed=1), max_output_tokens=200)

    assert (last.finish_reason, last.repeated, tokens) == ("length", None, 200)


@pytest.mark.parametrize(("grammar", "whole"), [(r"(.|\n)*", None), ("a{200}b", "a" * 200 + "b")])
def test_under_a_grammar_it_is_ended_only_where_it_may_end(core: EngineCore, grammar: str, whole: str | None) -> None:
    last, text, tokens = answer(core, grammar=Grammar("regex", grammar), sampling=SamplingParameters(seed=1))

    assert last.finish_reason == "stop"
    assert (last.repeated is None) == (whole is not None)
    assert text == (whole or text)
    assert tokens >= SHORT


def test_a_thought_that_repeats_itself_is_closed_and_the_answer_follows(core: EngineCore) -> None:
    end = tuple(core.tokenizer.encode_text("</think>"))
    thinking = Preamble("<think>", "</think>", (), end, begun=True)
    last, _, tokens = answer(core, preamble=thinking, sampling=SamplingParameters(seed=1))

    assert last.usage is not None
    assert SHORT <= last.usage.reasoning_tokens < 2 * SHORT + len(end)
    assert last.finish_reason == "stop"
    assert tokens > last.usage.reasoning_tokens
