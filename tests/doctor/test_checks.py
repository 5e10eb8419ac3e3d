"""The checks that are about no machine."""

from __future__ import annotations

import pytest

from codex_windows_ai.codex import launch
from codex_windows_ai.doctor import checks


def test_without_codex_there_is_a_warning_and_the_command_that_installs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(launch.shutil, "which", lambda _: None)
    monkeypatch.setattr(launch, "_packaged_codex", lambda: None)

    found = checks.check_codex()

    assert found.status == "warning"
    assert found.remediation == "npm install -g @openai/codex"


def test_the_real_codex_is_found_and_says_its_version() -> None:
    found = checks.check_codex()

    assert found.status == "ok"
    assert found.summary.startswith("codex-cli ")
