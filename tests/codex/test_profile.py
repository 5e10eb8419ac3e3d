"""The profile as a file and as options; that Codex takes it strictly is shown in tests/codex_cli."""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path

import pytest

from codex_windows_ai.codex.profile import (
    CodexModel,
    as_overrides,
    codex_home,
    profile_settings,
    profile_text,
    token_command,
)

SERVED = CodexModel("http://127.0.0.1:8417", 'a "model"', Path("a folder") / "models.json", tools=True)


def merged(overrides: list[str]) -> dict[str, object]:
    """What the overrides say together; each is a document of one dotted key."""
    result: dict[str, object] = {}
    for override in overrides:
        table, loaded = result, tomllib.loads(override)
        while True:
            [(name, value)] = loaded.items()
            if not isinstance(value, dict):
                table[name] = value
                break
            table, loaded = table.setdefault(name, {}), value  # type: ignore[assignment]
    return result


def test_file_and_options_say_the_same() -> None:
    settings = profile_settings(SERVED)

    text = profile_text(settings, heading="First line.\nSecond line.")

    assert text.startswith("# First line.\n# Second line.\n")
    assert tomllib.loads(text) == merged(as_overrides(settings)) == settings


def test_no_secret_is_in_the_profile_and_no_service_is_asked() -> None:
    settings = profile_settings(SERVED)

    assert (settings["analytics"], settings["features"]["plugins"]) == ({"enabled": False}, False)
    assert settings["web_search"] == "disabled"
    assert "token" in settings["model_providers"]["windows-ai"]["auth"]["args"]
    assert "Authorization" not in str(settings)


def test_a_model_without_tools_gets_no_server_of_tools() -> None:
    without = CodexModel(SERVED.url, SERVED.model, SERVED.catalogue, tools=False)

    assert profile_settings(without)["mcp_servers"]["windows-ai"]["enabled"] is False


def test_the_token_command_is_this_installation_and_carries_where_its_files_are(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CODEX_WINDOWS_AI_HOME", "/a home")

    assert token_command("--headers") == [
        *(sys.executable, "-m", "codex_windows_ai.cli", "token"),
        *("--env", "CODEX_WINDOWS_AI_HOME=/a home", "--headers"),
    ]


def test_codexs_folder_is_where_codex_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("CODEX_HOME", str(tmp_path))
    assert codex_home() == tmp_path

    monkeypatch.delenv("CODEX_HOME")
    monkeypatch.setenv("USERPROFILE" if os.name == "nt" else "HOME", str(tmp_path))
    assert codex_home() == tmp_path / ".codex"
