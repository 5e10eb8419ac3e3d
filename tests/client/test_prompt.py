"""One prompt out of words, files and piped text."""

from __future__ import annotations

from pathlib import Path

import pytest

from codex_windows_ai.client.prompt import compose_prompt, decode_text
from codex_windows_ai.errors import InvalidRequestError


def test_words_alone_are_the_prompt() -> None:
    assert compose_prompt("  Explain this. ") == "Explain this."


def test_piped_text_alone_is_the_prompt() -> None:
    assert compose_prompt(None, piped="Explain this.\n") == "Explain this."


def test_piped_text_beside_words_follows_them_in_a_block_like_codex_writes() -> None:
    assert compose_prompt("Explain this.", piped="a = 1\n") == "Explain this.\n\n<stdin>\na = 1\n</stdin>"


def test_files_stand_between_the_words_and_the_piped_text_each_with_its_name(tmp_path: Path) -> None:
    first, second = tmp_path / "a.py", tmp_path / "b.py"
    first.write_text("a = 1\n", encoding="utf-8")
    second.write_text("b = 'é'\n", encoding="utf-8")

    prompt = compose_prompt("Compare.", files=[first, second], piped="log")

    assert prompt == (
        f'Compare.\n\n<file name="{first.as_posix()}">\na = 1\n</file>\n\n'
        f"<file name=\"{second.as_posix()}\">\nb = 'é'\n</file>\n\n<stdin>\nlog\n</stdin>"
    )


@pytest.mark.parametrize("piped", [None, "", "\n"])
def test_nothing_at_all_is_refused(piped: str | None) -> None:
    with pytest.raises(InvalidRequestError, match="empty"):
        compose_prompt(" ", piped=piped)


def test_a_byte_order_mark_is_not_part_of_the_text() -> None:
    assert decode_text(b"\xef\xbb\xbfhi", source="Standard input") == "hi"


def test_a_character_cut_off_at_the_end_is_named_with_its_offset() -> None:
    with pytest.raises(InvalidRequestError, match="byte 0xe2 at offset 2"):
        decode_text(b"ab\xe2\x82", source="Standard input")


def test_a_folder_given_as_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequestError, match="Cannot read the file"):
        compose_prompt("Explain.", files=[tmp_path])
