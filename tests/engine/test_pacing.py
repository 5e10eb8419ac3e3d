"""How much of a prompt is read at a time, and when a long one yields."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_windows_ai.engine.pacing import PrefillPacer
from codex_windows_ai.engine.prefix_cache import BLOCK_TOKENS

LONG = PrefillPacer.LONG_PROMPT_TOKENS + 1


def test_before_anything_was_measured_a_piece_is_as_large_as_allowed() -> None:
    assert PrefillPacer(256).piece() == 256


@given(st.integers(1, 512), st.integers(BLOCK_TOKENS, 512), st.floats(1e-6, 100))
def test_a_piece_takes_its_time_and_stays_within_its_bounds(most: int, tokens: int, seconds: float) -> None:
    pacer = PrefillPacer(most)
    pacer.prefilled(tokens, seconds, tokens)
    piece = pacer.piece()

    assert min(BLOCK_TOKENS, most) <= piece <= most
    expected = PrefillPacer.PIECE_SECONDS / (seconds / tokens)
    assert piece in (most, min(BLOCK_TOKENS, most)) or abs(piece - expected) <= 1


def test_a_few_tokens_say_nothing_about_many() -> None:
    pacer = PrefillPacer(256)
    pacer.prefilled(2, 0.02, 2)

    assert pacer.piece() == 256


def test_a_long_prompt_yields_until_those_that_decode_had_as_much_time() -> None:
    pacer = PrefillPacer(256)
    assert not pacer.must_yield(LONG)
    pacer.prefilled(256, 0.1, LONG)
    assert pacer.must_yield(LONG)
    assert not pacer.must_yield(LONG - 1)
    pacer.decoded(0.06)
    assert pacer.must_yield(LONG)
    pacer.decoded(0.06)
    assert not pacer.must_yield(LONG)


def test_time_that_nobody_waited_for_is_not_owed() -> None:
    # One agent read a very long prompt on an idle host; the next long prompt must not pay for it.
    pacer = PrefillPacer(256)
    for _ in range(60):
        pacer.prefilled(256, 0.1, 6000)
    pacer.decoded(0.11)

    assert not pacer.must_yield(6000)


@pytest.mark.parametrize("remaining", [1, PrefillPacer.LONG_PROMPT_TOKENS])
def test_short_prompts_owe_nothing(remaining: int) -> None:
    pacer = PrefillPacer(256)
    pacer.prefilled(256, 5.0, remaining)

    assert not pacer.must_yield(LONG)
