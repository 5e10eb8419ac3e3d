"""What is remembered is bounded by its size, and what is used stays."""

from __future__ import annotations

import pytest

from codex_windows_ai.engine.sampling.remembered import Remembered


def test_what_was_made_is_not_made_again() -> None:
    remembered, made = Remembered[int](24), list[int]()

    for _ in range(3):
        assert remembered.get(lambda: len(made) or made.append(1) or 7, "key") == 7
    assert made == [1]


def test_the_longest_unused_goes_first() -> None:
    remembered = Remembered[str](24)
    for key in "abcdefgh":
        remembered.keep(key, key * 3)
    assert remembered.find("aaa") == "a"

    remembered.keep("i", "iii")

    assert [remembered.find(key * 3) for key in "abi"] == ["a", None, "i"]


def test_thousands_of_small_ones_fit_and_a_large_one_does_not_stay() -> None:
    remembered = Remembered[int](100_000)
    for number in range(5000):
        remembered.keep(number, f"{number:05}")
    assert all(remembered.find(f"{number:05}") == number for number in range(5000))

    assert remembered.keep(1, "x" * 50_000) == 1
    assert remembered.find("x" * 50_000) is None
    assert remembered.find("00000") == 0


def test_a_failure_is_not_remembered() -> None:
    remembered = Remembered[int](24)

    def fail() -> int:
        raise ValueError("no")

    for _ in range(2):
        with pytest.raises(ValueError, match="no"):
            remembered.get(fail, "key")
    assert remembered.get(lambda: 1, "key") == 1


def test_keeping_again_replaces_and_counts_once() -> None:
    remembered = Remembered[int](24)
    for value in range(5):
        remembered.keep(value, "aaa")
    remembered.keep(9, "bbb")

    assert (remembered.find("aaa"), remembered.find("bbb")) == (4, 9)
