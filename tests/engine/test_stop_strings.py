"""Stop strings against the plain reading of the whole text."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from codex_windows_ai.engine.sampling.stop_strings import StopStrings

letters = st.text(alphabet="ab", max_size=24)
stops = st.lists(st.text(alphabet="ab", min_size=1, max_size=5), max_size=3)


def cut(text: str, stop: list[str]) -> tuple[str, str | None]:
    """The text before the stop string that is complete first, and that; of those that end together, the longest."""
    for end in range(1, len(text) + 1):
        complete = [word for word in stop if text[:end].endswith(word)]
        if complete:
            longest = max(complete, key=len)
            return text[: end - len(longest)], longest
    return text, None


@st.composite
def split_texts(draw: st.DrawFn) -> list[str]:
    text = draw(letters)
    borders = sorted(draw(st.lists(st.integers(0, len(text)), max_size=8)))
    return [text[start:end] for start, end in zip([0, *borders], [*borders, len(text)], strict=True)]


@settings(max_examples=400)
@given(split_texts(), stops)
def test_any_split_gives_what_cutting_the_whole_text_gives(pieces: list[str], stop: list[str]) -> None:
    expected, found = cut("".join(pieces), stop)
    strings = StopStrings(stop)

    shown = "".join(strings.push(piece) for piece in pieces)

    assert strings.found == found
    assert shown + ("" if found else strings.finish()) == expected


@given(split_texts(), stops)
def test_nothing_is_held_back_longer_than_it_may_begin_a_stop_string(pieces: list[str], stop: list[str]) -> None:
    strings = StopStrings(stop)
    text = shown = ""
    for piece in pieces:
        text += piece
        shown += strings.push(piece)
        if strings.found:
            break
        held = text[len(shown) :]
        longest = max((n for word in stop for n in range(len(word)) if text.endswith(word[:n])), default=0)
        assert len(held) == longest


def test_the_stop_string_that_is_complete_first_ends_the_text() -> None:
    assert StopStrings(["abcd", "bc"]).push("abcd") == "a"
    assert StopStrings(["bcd", "abcd"]).push("abcd") == ""


def test_nothing_comes_after_a_stop_string() -> None:
    strings = StopStrings(["END"])

    assert strings.push("text EN") == "text "
    assert strings.push("D more") == ""
    assert strings.push("still more") == ""
    assert strings.finish() == ""


def test_what_was_held_back_in_vain_is_shown_at_the_end() -> None:
    strings = StopStrings(["END"])

    assert strings.push("The EN") == "The "
    assert strings.finish() == "EN"
    assert not strings.found
