"""Agents' own configuration: one more provider in it, no secret, and as it was when that is undone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codex_windows_ai.agents.agent import HostModel
from codex_windows_ai.agents.file_changes import apply, plan_restore, restore
from codex_windows_ai.agents.known.agents import AGENTS
from codex_windows_ai.cli.setup_agents import TITLES, plan_change

MODEL = HostModel("http://127.0.0.1:8417", "the-token", "some-model", 32_768, 4_096, "/state/token")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("XDG_CONFIG_HOME", "PI_CODING_AGENT_DIR", "CLAUDE_CONFIG_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CODEX_WINDOWS_AI_HOME", str(tmp_path / "ours"))
    return tmp_path


LASTING = {name: agent.lasting for name, agent in AGENTS.items() if agent.lasting}


@pytest.mark.parametrize("name", LASTING)
def test_what_lasts_has_the_host_and_no_secret_and_can_be_undone(name: str, home: Path) -> None:
    lasting = LASTING[name](MODEL)
    assert lasting.file.is_relative_to(home)
    users = '{\n    "theme": "dark"\n}\n'
    if lasting.entry:
        lasting.file.parent.mkdir(parents=True)
        lasting.file.write_text(users, encoding="utf-8")

    apply([plan_change(lasting, force=False)])

    written = lasting.file.read_text(encoding="utf-8")
    assert MODEL.url in written
    assert MODEL.token not in written
    assert MODEL.token_file in written or "codex_windows_ai.cli token" in written
    assert str(MODEL.window) in written
    if lasting.entry:
        section, entry = lasting.entry
        assert json.loads(written) == {"theme": "dark", section: {entry: dict(lasting.value)}}

    restore(plan_restore([lasting.file]))
    assert (lasting.file.read_text(encoding="utf-8") if lasting.file.exists() else None) == (
        users if lasting.entry else None
    )


def test_every_agent_with_a_lasting_configuration_has_its_command() -> None:
    assert {"claude-code", *TITLES} == set(LASTING)
