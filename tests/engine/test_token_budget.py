"""How much of a prompt is read at a time, and when a long one yields."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_windows_ai.engine.token_budget import PrefillBudget

LONG = PrefillBudget.LONG_PROMPT_TOKENS + 1


def budget_of(most_tokens: int = 256) -> PrefillBudget:
    return PrefillBudget(most_tokens, 0.08)


def test_the_first_piece_of_a_prompt_is_moderate() -> None:
    assert budget_of(256).tokens(0, 0.08, LONG) == PrefillBudget.FIRST_PIECE
    assert budget_of(48).tokens(0, 0.08, LONG) == 48


@pytest.mark.parametrize("rate", [0, 0.001, 10])
def test_the_rest_of_a_short_prompt_is_read_at_once_however_long_that_takes(rate: float) -> None:
    assert budget_of(512).tokens(rate, 0.01, PrefillBudget.SHORT_PROMPT_TOKENS) == PrefillBudget.SHORT_PROMPT_TOKENS
    assert budget_of(512).tokens(rate, 0.01, PrefillBudget.SHORT_PROMPT_TOKENS + 1) < PrefillBudget.SHORT_PROMPT_TOKENS
    assert budget_of(48).tokens(rate, 0.01, 48) == 48
    assert budget_of(48).tokens(rate, 0.01, 49) <= 48


@given(st.integers(1, 512), st.floats(1e-6, 100), st.floats(-1, 1))
def test_a_piece_takes_its_time_and_stays_within_its_bounds(most: int, rate: float, seconds: float) -> None:
    piece = budget_of(most).tokens(rate, seconds, LONG)

    assert min(PrefillBudget.SMALLEST_PIECE, most) <= piece <= most
    assert piece in (most, PrefillBudget.SMALLEST_PIECE) or abs(piece - seconds / rate) <= 1


def test_a_steps_first_piece_always_fits_and_a_further_one_only_where_half_of_it_is_left() -> None:
    budget = budget_of()
    assert budget.fits(budget.seconds)
    assert budget.fits(0.05)
    assert not budget.fits(0.03)
    assert PrefillBudget(256, 0).fits(0)
    assert not PrefillBudget(256, 0).fits(-0.001)


def test_a_long_prompt_yields_until_those_that_decode_had_as_much_time() -> None:
    budget = budget_of()
    assert not budget.must_yield(LONG, 20)
    budget.prefilled(0.1, LONG)
    assert budget.must_yield(LONG, 20)
    assert not budget.must_yield(LONG - 1, 20)
    budget.decoded(0.06)
    assert budget.must_yield(LONG, 20)
    budget.decoded(0.06)
    assert not budget.must_yield(LONG, 20)


def test_time_that_nobody_waited_for_is_not_owed() -> None:
    # One agent read a very long prompt on an idle host; the next long prompt must not pay for it.
    budget = budget_of()
    for _ in range(60):
        budget.prefilled(0.1, 6000)
    budget.decoded(0.11)

    assert not budget.must_yield(6000, 20)


@pytest.mark.parametrize("remaining", [1, PrefillBudget.LONG_PROMPT_TOKENS])
def test_short_prompts_owe_nothing(remaining: int) -> None:
    budget = budget_of()
    budget.prefilled(5.0, remaining)

    assert not budget.must_yield(LONG, 20)


def test_a_prompt_like_those_that_decode_does_not_yield() -> None:
    budget = budget_of()
    budget.prefilled(0.1, 1400)

    assert not budget.must_yield(1400, 1400)
    assert budget.must_yield(6000, 1400)
