"""Small files: one concept each."""

from __future__ import annotations

from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src"
SOFT_LIMIT = 400
HARD_LIMIT = 800

# Files that are one concept and still longer than the soft limit, with the reason. The list may only shrink.
JUSTIFIED: dict[str, str] = {
    "codex_windows_ai/errors.py": "one tree, drawn at its head, and the one table that every door reads",
}


def lines_by_file() -> dict[str, int]:
    return {
        file.relative_to(SOURCE).as_posix(): len(file.read_text(encoding="utf-8").splitlines())
        for file in SOURCE.rglob("*.py")
    }


def test_no_source_file_is_longer_than_the_hard_limit() -> None:
    lengths = lines_by_file()

    assert lengths, "no source files were found"
    assert {file: lines for file, lines in lengths.items() if lines > HARD_LIMIT} == {}


def test_every_source_file_over_the_soft_limit_is_justified_and_no_justification_is_stale() -> None:
    over = {file for file, lines in lines_by_file().items() if lines > SOFT_LIMIT}

    assert over == set(JUSTIFIED)
