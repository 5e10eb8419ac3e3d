"""Chat templates on Windows: in a process of their own, which ends where they take too much."""

from __future__ import annotations

from tests.wine.windows import WindowsMachine


def test_templates_run_in_a_process_of_their_own_and_are_ended(windows: WindowsMachine) -> None:
    ended = windows.results("sandbox")

    assert ended["words"] == ended["again"] == "é\n\U0001f600"
    assert ended["endless"] == "TemplateOverLimitError: it does not end within 5 seconds"
    assert ended["memory"] == "TemplateOverLimitError: it takes more memory than it may"
    assert "more than 33,554,432 characters" in ended["large"]
