"""What comes before an answer is told from it, however tokens cut both, and whatever the model writes."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from codex_windows_ai.engine.preamble import Preamble, PreambleReader

BEGIN, END = "<think>", "</think>"
words = st.text(st.sampled_from("a<>/thiné \n"), max_size=12)
pieces = st.lists(st.sampled_from([BEGIN, END, "<thi", "</", "\n", "ü", "words", " "]), max_size=12).map("".join)


def read(written: bytes, cuts: list[int], *, begun: bool = False) -> tuple[bytes, bytes]:
    """All of the preamble and of the answer, where tokens end at these places."""
    reader = PreambleReader(Preamble(BEGIN, END, (), (), begun=begun))
    places = [0, *sorted(cut % (len(written) + 1) for cut in cuts), len(written)]
    said = [reader.push(written[start:end]) for start, end in pairwise(places)]
    said.append(reader.finish())
    return b"".join(thought for thought, _ in said), b"".join(answer for _, answer in said)


@given(words, words, st.lists(st.integers(0, 99), max_size=6), st.booleans())
@settings(max_examples=60)
def test_a_thought_and_its_answer_come_back_whole(thought: str, answer: str, cuts: list[int], begun: bool) -> None:
    thought = thought.replace(END, "").strip("\n")
    answer = answer.replace(BEGIN, "").lstrip("\n")
    written = f"{'' if begun else BEGIN}\n{thought}\n{END}\n\n{answer}"

    assert read(written.encode(), cuts, begun=begun) == (thought.encode(), answer.encode())


@given(pieces, st.lists(st.integers(0, 99), max_size=6), st.booleans())
@settings(max_examples=100)
def test_nothing_is_lost_of_what_is_malformed_and_cuts_change_nothing(
    written: str, cuts: list[int], begun: bool
) -> None:
    thought, answer = read(written.encode(), cuts, begun=begun)

    assert (thought, answer) == read(written.encode(), [], begun=begun)
    if written.lstrip().startswith(BEGIN) and not begun:
        written = written.lstrip()  # blanks before the first mark are nobody's
    left = (thought + answer).decode().replace("\n", "")
    for mark in (BEGIN, END):  # a mark is one, or text: each piece between marks is there, in its order
        left = left.replace(mark, "")
        written = written.replace(mark, "")
    assert left == written.replace("\n", "")


def test_an_answer_without_a_thought_is_left_as_it_is() -> None:
    assert read(b"\n <b>bold</b>\n", [3]) == (b"", b"\n <b>bold</b>\n")
    assert read(b" \n<think>a</think>", [1]) == (b"a", b"")
    assert read(b"<thi", [2]) == (b"", b"<thi")
    assert read(b"It writes <think>a</think>", [12]) == (b"", b"It writes <think>a</think>")


def test_thoughts_one_after_another_are_all_thoughts() -> None:
    assert read(b"<think>a</think>\n<think>\n\nb\n</think>c", [20]) == (b"a\nb", b"c")


def test_a_thought_without_an_end_is_one() -> None:
    assert read(b"<think>\nand so on </thi", [9]) == (b"and so on </thi", b"")
    assert read(b"<think>\nand so on\n", [9]) == (b"and so on", b"")
