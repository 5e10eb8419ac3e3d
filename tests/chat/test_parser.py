"""Calls are found in an answer however it is cut into pieces."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_windows_ai.chat.formats.hermes import HermesParser
from codex_windows_ai.protocol.answer import AnswerPart, CallBegun, CallEnded, CallPiece, TextPiece
from codex_windows_ai.protocol.tools import Tool, ToolSet

READ = Tool("function", "read")
PATCH = Tool("custom", "patch", namespace="git")
BOTH = ToolSet((READ, PATCH))
READ_CALL = '<tool_call>\n{"name": "read", "arguments": {"path": "</tool_call>"}}\n</tool_call>'
PATCH_CALL = '<tool_call>\n{"name": "git__patch"}\n*** a\n<b>\n</tool_call>'


def parse(
    pieces: list[str], tools: ToolSet = BOTH, *, cut: bool = False, constrained: bool = False
) -> list[AnswerPart]:
    """What the parser says, neighbouring pieces put together."""
    parser = HermesParser(tools, text_is_constrained=constrained)
    parts = [part for piece in pieces for part in parser.push(piece)] + parser.finish(cut=cut)
    merged: list[AnswerPart] = []
    for part in parts:
        last = merged[-1] if merged else None
        if isinstance(part, TextPiece) and isinstance(last, TextPiece):
            merged[-1] = TextPiece(last.text + part.text)
        elif isinstance(part, CallPiece) and isinstance(last, CallPiece):
            merged[-1] = CallPiece(last.text + part.text)
        else:
            merged.append(part)
    return merged


def call(tool: Tool, body: str) -> list[AnswerPart]:
    return [CallBegun(tool.named), CallPiece(body), CallEnded(tool.named, body)]


READ_PARTS = call(READ, '{"path": "</tool_call>"}')
PATCH_PARTS = call(PATCH, "*** a\n<b>")


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Hello", [TextPiece("Hello")]),
        ("", []),
        (" ", [TextPiece(" ")]),
        ("a < b <tool> </tool_call>", [TextPiece("a < b <tool> </tool_call>")]),
        ("ends with <tool_cal", [TextPiece("ends with <tool_cal")]),
        (READ_CALL, READ_PARTS),
        ("\n " + READ_CALL + "\n", READ_PARTS),
        ("I look.\n" + READ_CALL, [TextPiece("I look.\n"), *READ_PARTS]),
        (READ_CALL + "\n" + PATCH_CALL, READ_PARTS + PATCH_PARTS),
        (PATCH_CALL + "\nDone", [*PATCH_PARTS, TextPiece("\nDone")]),
        ("<tool_call>\nnonsense", [TextPiece("<tool_call>\nnonsense")]),
        ('<tool_call>\n{"name": "other"}', [TextPiece('<tool_call>\n{"name": "other"}')]),
        ("<tool_call>" + READ_CALL, [TextPiece("<tool_call>"), *READ_PARTS]),
    ],
)
def test_text_and_calls_are_told_apart_in_whole_and_letter_by_letter(text: str, parts: list[AnswerPart]) -> None:
    assert parse([text]) == parts
    assert parse(list(text)) == parts


FRAGMENTS = st.lists(
    st.sampled_from([READ_CALL, PATCH_CALL, "text", "\n", " ", "<", "<tool_call>", "</tool_call>", "}\n</tool_", "{"])
).map("".join)


def test_constrained_text_that_ends_like_the_beginning_of_a_call_is_whole_text() -> None:
    for pieces in (["[1] <"], ["[1]", " <"]):
        assert parse(pieces, cut=True, constrained=True) == [TextPiece("[1] <")]
    assert parse([" <"], cut=True, constrained=True) == [TextPiece(" ")]


@given(FRAGMENTS, st.data(), st.booleans(), st.booleans())
def test_where_the_text_is_cut_changes_nothing(text: str, data: st.DataObject, cut: bool, constrained: bool) -> None:
    ends = sorted(data.draw(st.sets(st.integers(0, len(text)))) | {0, len(text)})
    pieces = [text[a:b] for a, b in pairwise(ends)]

    assert parse(pieces, cut=cut, constrained=constrained) == parse([text], cut=cut, constrained=constrained)


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("Hello <tool_c", [TextPiece("Hello ")]),
        ("Hello <tool_call>", [TextPiece("Hello ")]),
        ('Hello <tool_call>\n{"name": "re', [TextPiece("Hello ")]),
        (
            '<tool_call>\n{"name": "read", "arguments": {"path": "a}\n</too',
            [CallBegun(READ.named), CallPiece('{"path": "a'), CallEnded(READ.named, '{"path": "a', complete=False)],
        ),
        (
            '<tool_call>\n{"name": "read", "arguments": ',
            [CallBegun(READ.named), CallEnded(READ.named, "", complete=False)],
        ),
    ],
)
def test_an_answer_that_is_cut_off_shows_no_half_marker_and_says_that_a_call_is_incomplete(
    text: str, parts: list[AnswerPart]
) -> None:
    assert parse([text], cut=True) == parts


def test_without_tools_to_call_everything_is_text() -> None:
    assert parse([READ_CALL], ToolSet((READ,), mode="none")) == [TextPiece(READ_CALL)]


def test_a_marker_inside_constrained_text_means_nothing() -> None:
    text = '{"answer": "' + READ_CALL + '"}'

    assert parse(list(text), constrained=True) == [TextPiece(text)]
    assert parse(list(READ_CALL), constrained=True) == READ_PARTS


def test_text_is_passed_on_as_soon_as_it_cannot_begin_a_call() -> None:
    parser = HermesParser(BOTH)

    assert parser.push("Hello") == [TextPiece("Hello")]
    assert parser.push(" <tool") == [TextPiece(" ")]
    assert parser.push("s>") == [TextPiece("<tools>")]
