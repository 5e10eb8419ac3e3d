"""How much of a prompt is read at a time, and when a long one yields."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_windows_ai.engine.token_budget import PrefillBudget

LONG = PrefillBudget.LONG_PROMPT_TOKENS + 1


def budget_of(most_tokens: int = 256) -> PrefillBudget:
    return PrefillBudget(most_tokens, 0.08)


def test_the_first_piece_of_all_is_moderate() -> None:
    assert budget_of(256).tokens(0, 0.08, LONG, alone=False) == PrefillBudget.FIRST_PIECE
    assert budget_of(48).tokens(0, 0.08, LONG, alone=False) == 48


def test_the_first_piece_of_a_prompt_is_as_large_as_the_last_one_of_another_would_be() -> None:
    budget = budget_of(256)
    budget.prefilled(0.001, 64, 300)
    assert budget.tokens(0, 0.08, LONG, alone=False) == 80


@pytest.mark.parametrize("rate", [0, 0.001, 0.0015])
def test_the_rest_of_a_short_prompt_is_read_at_once(rate: float) -> None:
    short = PrefillBudget.SHORT_PROMPT_TOKENS
    assert budget_of(512).tokens(rate, 0.01, short, alone=False) == short
    assert budget_of(512).tokens(rate, 0.01, short + 1, alone=False) < short
    assert budget_of(48).tokens(rate, 0.01, 48, alone=False) == 48
    assert budget_of(48).tokens(rate, 0.01, 49, alone=False) <= 48


def test_with_a_slow_model_even_a_short_prompt_is_read_in_pieces() -> None:
    assert budget_of().tokens(0.002, 0.08, PrefillBudget.SHORT_PROMPT_TOKENS, alone=False) == 40
    assert budget_of().tokens(10, 0.08, 100, alone=False) == PrefillBudget.SMALLEST_PIECE


@given(st.integers(1, 512), st.floats(1e-6, 100), st.floats(-1, 1), st.booleans())
def test_a_piece_takes_its_time_and_stays_within_its_bounds(
    most: int, rate: float, seconds: float, alone: bool
) -> None:
    piece = budget_of(most).tokens(rate, seconds, LONG, alone=alone)

    smallest = PrefillBudget.SMALLEST_ALONE if alone else PrefillBudget.SMALLEST_PIECE
    assert min(smallest, most) <= piece <= most
    assert piece in (most, smallest) or abs(piece - seconds / rate) <= 1


def test_a_rounds_first_piece_always_fits_and_a_further_one_only_where_half_of_it_is_left() -> None:
    budget = budget_of()
    assert budget.fits(budget.seconds(alone=False), alone=False)
    assert budget.fits(0.05, alone=False)
    assert not budget.fits(0.03, alone=False)
    assert PrefillBudget(256, 0).fits(0, alone=False)
    assert not PrefillBudget(256, 0).fits(-0.001, alone=False)


def test_where_nobody_decodes_more_is_read_at_once() -> None:
    budget = budget_of()
    assert budget.seconds(alone=True) == 4 * budget.seconds(alone=False)
    assert not budget.fits(0.05, alone=True)


def test_a_long_prompt_yields_until_those_that_decode_had_as_much_time() -> None:
    budget = budget_of()
    assert not budget.must_yield(LONG, 20)
    budget.prefilled(0.001, 100, LONG)
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
        budget.prefilled(0.001, 100, 6000)
    budget.decoded(0.11)

    assert not budget.must_yield(6000, 20)


@pytest.mark.parametrize("remaining", [1, PrefillBudget.LONG_PROMPT_TOKENS])
def test_short_prompts_owe_nothing(remaining: int) -> None:
    budget = budget_of()
    budget.prefilled(5.0, 1, remaining)

    assert not budget.must_yield(LONG, 20)


def test_a_prompt_like_those_that_decode_does_not_yield() -> None:
    budget = budget_of()
    budget.prefilled(0.001, 100, 1400)

    assert not budget.must_yield(1400, 1400)
    assert budget.must_yield(6000, 1400)
