"""Main memory."""

from __future__ import annotations

from codex_windows_ai.hardware.memory import read_memory


def test_some_of_the_memory_is_available() -> None:
    memory = read_memory()

    assert 0 < memory.available <= memory.total
