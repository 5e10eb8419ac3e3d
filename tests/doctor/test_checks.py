"""The checks that are about no machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from codex_windows_ai.doctor import checks


def test_without_codex_there_is_a_warning_and_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "codex_cli_bin"
    package.mkdir()
    (package / "__init__.py").touch()  # found before the one that is installed, and without a program
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)

    found = checks.check_codex()

    assert found.status == "warning"
    assert found.remediation == "npm install -g @openai/codex"


def test_the_real_codex_is_found_and_says_its_version() -> None:
    found = checks.check_codex()

    assert found.status == "ok"
    assert found.summary.startswith("codex-cli ")
