"""A piece of an answer: words alone, or parts in their order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from codex_windows_ai.protocol.answer import (
    AnswerPart,
    CallBegun,
    CallEnded,
    CallPiece,
    ChosenToken,
    Delta,
    ReasoningPiece,
    TextPiece,
    Usage,
    joined,
)
from codex_windows_ai.protocol.tools import ToolName

READ = ToolName("function", "read")
PARTS: list[AnswerPart] = [
    TextPiece("I look."),
    ReasoningPiece("Hm."),
    CallBegun(READ),
    CallPiece("{}"),
    CallEnded(READ, "{}"),
    TextPiece(" Done."),
]
parts = st.lists(st.sampled_from(PARTS), max_size=6)


def test_words_alone_are_one_piece() -> None:
    assert Delta("Hello").pieces == (TextPiece("Hello"),)
    assert Delta().pieces == ()


@given(parts)
def test_a_piece_holds_parts_in_their_order_and_their_words_as_its_text(held: list[AnswerPart]) -> None:
    delta = Delta("raw", (ChosenToken(1, b"x"),), "stop", Usage(1, 0, 1)).holding(held)

    words = [part.text for part in held if isinstance(part, TextPiece)]
    assert delta.text == "".join(words)
    assert delta.pieces == (
        tuple(held) if len(words) < len(held) else tuple(map(TextPiece, filter(None, [delta.text])))
    )
    assert (delta.tokens, delta.finish_reason, delta.usage) == ((ChosenToken(1, b"x"),), "stop", Usage(1, 0, 1))


@given(st.lists(parts, min_size=1, max_size=4))
def test_neighbours_joined_hold_what_each_held_and_end_as_the_last(held: list[list[AnswerPart]]) -> None:
    deltas = [Delta().holding(some) for some in held]
    whole = joined([*deltas[:-1], Delta(finish_reason="length", tokens=(ChosenToken(1),)).holding(held[-1])])

    assert whole.text == "".join(delta.text for delta in deltas)
    others = [part for some in held for part in some if not isinstance(part, TextPiece)]
    assert [part for part in whole.pieces if not isinstance(part, TextPiece)] == others
    assert (whole.finish_reason, whole.tokens) == ("length", ())
