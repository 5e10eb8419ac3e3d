"""What `cwai codex` makes of its arguments."""

from __future__ import annotations

import pytest

from codex_windows_ai.codex.session import kernel_path_refusal, with_overrides
from codex_windows_ai.errors import NotAvailableError
from codex_windows_ai.settings import Settings

OURS = ["-c", "ours=1"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ([], []),
        (["exec", "say hi"], ["exec", "say hi"]),
        (["exec", "-c", "a=1", "hi"], ["-c", "a=1", "exec", "hi"]),
        (["-c", "a=1", "exec", "--config=b=2", "-cc=3", "hi"], ["-c", "a=1", "-c", "b=2", "-c", "c=3", "exec", "hi"]),
        (["exec", "--config", "a=1", "-m", "x"], ["-c", "a=1", "exec", "-m", "x"]),
        (["exec", "--", "-c", "a=1"], ["exec", "--", "-c", "a=1"]),
        (["exec", "-c"], ["exec", "-c"]),
        (["exec", "-C", "folder", "-color"], ["exec", "-C", "folder", "-color"]),
    ],
)
def test_the_users_settings_come_after_ours_and_before_the_subcommand(given: list[str], expected: list[str]) -> None:
    assert with_overrides(["ours=1"], given) == OURS + expected


def test_the_kernel_path_is_refused_with_what_to_do() -> None:
    with pytest.raises(NotAvailableError) as caught:
        kernel_path_refusal(Settings(kernel_accelerated=True))

    assert caught.value.exit_code == 4
    assert "fallback" in (caught.value.hint or "")


def test_the_kernel_path_is_left_with_a_word_where_the_settings_say_so() -> None:
    assert "HTTP" in (kernel_path_refusal(Settings(kernel_accelerated=True, fallback="announce")) or "")
    assert kernel_path_refusal(Settings()) is None
