"""The one tree of errors."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator

import pytest

from codex_windows_ai import errors
from codex_windows_ai.errors import ContextLengthExceededError, EngineBusyError, WindowsAiError

CLASSES = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, WindowsAiError)]


def drawn_tree() -> Iterator[tuple[str, int]]:
    """The names in the drawing at the top of the module, each with its depth."""
    for line in (errors.__doc__ or "").splitlines():
        if drawn := re.match(r"    ([│├└─ ]*)(\w+Error)\b", line):
            yield drawn[2], len(drawn[1]) // 4


def real_tree(root: type[WindowsAiError], depth: int = 0) -> Iterator[tuple[str, int]]:
    yield root.__name__, depth
    for child in root.__subclasses__():
        yield from real_tree(child, depth + 1)


def test_the_drawing_shows_the_tree_as_it_is() -> None:
    assert sorted(drawn_tree()) == sorted(real_tree(WindowsAiError))


@pytest.mark.parametrize("error", CLASSES, ids=lambda error: error.__name__)
def test_every_error_is_public_and_has_a_place_in_every_door(error: type[WindowsAiError]) -> None:
    assert error.__name__ in errors.__all__
    assert re.fullmatch(r"[a-z_]+", error.code)
    assert 400 <= error.http_status < 600
    assert error.json_rpc_code < 0
    assert error.exit_code in {1, 2, 4, 5}


def test_an_error_carries_its_message_and_its_hint() -> None:
    error = WindowsAiError("It broke.", hint="Mend it.")

    assert (str(error), error.message, error.hint) == ("It broke.", "It broke.", "Mend it.")


@pytest.mark.parametrize(("message", "both"), [("It broke.", "It broke. Mend it."), ("It broke", "It broke. Mend it.")])
def test_message_and_hint_are_two_sentences(message: str, both: str) -> None:
    assert WindowsAiError(message, hint="Mend it.").message_and_hint == both


def test_a_prompt_that_does_not_fit_says_by_how_much() -> None:
    error = ContextLengthExceededError(prompt_tokens=9000, context_length=8192)

    assert "9000" in error.message
    assert "8192" in error.message
    assert "at least 809 tokens" in str(error.hint)


def test_a_busy_engine_says_when_to_come_back() -> None:
    assert EngineBusyError("Full.", retry_after=2.0).hint == "Try again in 2 s."
