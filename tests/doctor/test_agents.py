"""Which coding agents are here, and which of them fit the model."""

from __future__ import annotations

from pathlib import Path

import pytest

from codex_windows_ai.doctor.agents import agent_checks
from codex_windows_ai.doctor.report import Finding


def found(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Finding]:
    """The findings where `pi` and `claude` are all that is on PATH."""
    for name in ("pi", "claude"):
        (tmp_path / name).touch(0o700)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CODEX_WINDOWS_AI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CODEX_WINDOWS_AI_MODEL", str(model))
    return {check.id: check.look() for check in agent_checks()}


def test_agents_that_are_here_are_held_against_the_models_window(
    tiny_model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    findings = found(tiny_model_path, tmp_path, monkeypatch)

    assert list(findings) == ["agents.missing", "agents.claude-code", "agents.pi"]
    missing = findings["agents.missing"]
    assert (missing.status, missing.details["install"]["opencode"]) == ("skipped", "npm install -g opencode-ai")
    pi = findings["agents.pi"]
    assert pi.status == "warning"
    assert pi.summary.endswith("and the window of tiny holds 512")
    assert pi.remediation is not None and "1,856 tokens or more" in pi.remediation


def test_without_a_model_its_window_is_not_fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CODEX_WINDOWS_AI_MODEL", raising=False)
    findings = found(Path("smollm2-135m-instruct"), tmp_path, monkeypatch)

    assert findings["agents.pi"].status == "ok"
    assert "is known once it is installed" in findings["agents.pi"].summary
    assert not (tmp_path / "home" / "cache").exists()
