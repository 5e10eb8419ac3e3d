"""Prompt lookup: what followed before is guessed to follow again, while that pays."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from codex_windows_ai.engine.sampling.draft import PromptLookup

KEY = 3


def naive_draft(tokens: list[int], limit: int) -> list[int]:
    """What followed the earlier place that looks most like the end, the latest of equals."""
    best, start = 0, 0
    for end in range(KEY, len(tokens)):
        match = next((n for n in range(end) if tokens[end - 1 - n] != tokens[-1 - n]), end)
        if match >= max(KEY, best):
            best, start = match, end
    return tokens[start : start + min(2 * best - KEY, limit)] if best else []


@given(st.lists(st.integers(0, 2), min_size=1, max_size=20), st.integers(1, 8), st.data())
def test_a_draft_is_what_a_search_of_the_whole_text_finds(tokens: list[int], limit: int, data: st.DataObject) -> None:
    lookup = PromptLookup()
    lookup._CANDIDATES = 100
    size = data.draw(st.integers(1, len(tokens)))
    while size < len(tokens):  # it learns as the text grows
        lookup.draft(tokens[:size], 1)
        size += data.draw(st.integers(1, 5))

    assert lookup.draft(tokens, limit) == naive_draft(tokens, limit)


def test_nothing_is_guessed_where_nothing_repeats() -> None:
    assert PromptLookup().draft(list(range(50)), 8) == []


def test_the_longer_the_match_the_longer_the_draft_up_to_a_bound() -> None:
    text = list(range(100))
    lengths = [len(PromptLookup().draft([*text, 777, *text[:match]], 1000)) for match in (2, 3, 4, 8, 16, 18, 40)]

    assert lengths == [0, 3, 5, 13, 29, 32, 32]


def test_wrong_guesses_stop_the_guessing_for_longer_and_longer() -> None:
    tokens = [0, 1, 2, 3] * 300
    lookup = PromptLookup()
    pauses = []
    size = 20
    for _ in range(3):
        drafted = lookup.draft(tokens[:size], 8)
        assert drafted
        lookup.report(len(drafted), 0, size)
        start = size
        while not lookup.draft(tokens[:size], 8):
            size += 1
        pauses.append(size - start)

    assert pauses == sorted(pauses)
    assert pauses[0] > 0
    assert pauses[2] > 2 * pauses[0]


def test_a_hit_after_misses_ends_the_pauses() -> None:
    tokens = [0, 1, 2, 3] * 300
    lookup = PromptLookup()
    lookup.report(4, 0, 20)
    size = next(size for size in range(20, 300) if lookup.draft(tokens[:size], 8))
    lookup.report(4, 4, size)

    assert lookup.draft(tokens[: size + 1], 8)


def test_what_was_drafted_and_accepted_is_counted() -> None:
    lookup = PromptLookup()
    lookup.report(4, 3, 10)
    lookup.report(4, 0, 20)

    assert (lookup.drafted, lookup.accepted) == (8, 3)
