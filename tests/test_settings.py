"""The settings: flag over environment over file over default."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from codex_windows_ai.errors import SettingsError
from codex_windows_ai.settings import DEFAULT_MODEL, Settings, cache_folder, load_settings, settings_file, state_folder


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder of the test's own, and no settings from the environment."""
    for name in list(os.environ):
        if name.startswith("CODEX_WINDOWS_AI_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("CODEX_WINDOWS_AI_HOME", str(tmp_path))
    return tmp_path


def write_file(text: str) -> None:
    settings_file().parent.mkdir(parents=True)
    settings_file().write_text(text, encoding="utf-8")


def test_without_anything_set_the_defaults_hold() -> None:
    assert load_settings() == Settings(model=DEFAULT_MODEL, provider="auto", kernel_accelerated=False, threads=None)


def test_the_file_goes_over_the_default() -> None:
    write_file('provider = "engine:cpu"\n')

    assert load_settings().provider == "engine:cpu"


def test_the_environment_goes_over_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    write_file("threads = 2\n")
    monkeypatch.setenv("CODEX_WINDOWS_AI_THREADS", "3")

    assert load_settings().threads == 3


def test_a_flag_goes_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEX_WINDOWS_AI_MODEL", "from-environment")

    assert load_settings(model="from-flag").model == "from-flag"


def test_a_flag_that_was_not_given_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEX_WINDOWS_AI_MODEL", "from-environment")

    assert load_settings(model=None).model == "from-environment"


@pytest.mark.parametrize(
    ("text", "name"),
    [("threads = 0", "threads"), ('provider = "cloud"', "provider"), ("colour = 1", "colour"), ("model = 1", "model")],
)
def test_a_value_that_is_not_allowed_is_named_with_where_it_may_come_from(text: str, name: str) -> None:
    write_file(text)

    with pytest.raises(SettingsError, match=f"`{name}`") as caught:
        load_settings()

    assert str(settings_file()) in str(caught.value.hint)
    assert f"CODEX_WINDOWS_AI_{name.upper()}" in str(caught.value.hint)


@pytest.mark.parametrize("name", ["cloud", "", "engine:tpu", "action:", "action:a\nb", "engine\n"])
def test_an_unknown_provider_is_told_all_that_there_are(name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(provider=name)

    for known in ("auto", "language-model", "engine:gpu", "engine:npu", "engine:cpu", "action:ID"):
        assert known in str(caught.value)


@pytest.mark.parametrize("content", [b"model =", b"model = 'caf\xe9'"])
def test_a_file_that_is_not_toml_is_named(content: bytes) -> None:
    write_file("")
    settings_file().write_bytes(content)

    with pytest.raises(SettingsError, match=r"settings\.toml"):
        load_settings()


def test_a_file_with_a_byte_order_mark_is_read() -> None:
    write_file("")
    settings_file().write_bytes(b"\xef\xbb\xbfthreads = 3\r\n")

    assert load_settings().threads == 3


ORIGINS = ("app://obsidian.md", "vscode-webview://*", "http://localhost:*", "null", "file://", "https://a.example")


@pytest.mark.parametrize("text", [", ".join(ORIGINS), json.dumps(ORIGINS)])
def test_a_list_is_json_or_has_commas_in_a_variable(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEX_WINDOWS_AI_ALLOWED_ORIGINS", text)
    monkeypatch.setenv("CODEX_WINDOWS_AI_ALLOWED_HOSTS", "host.docker.internal, 172.17.0.1,fe80::1")

    assert load_settings().allowed_origins == ORIGINS
    assert load_settings().allowed_hosts == ("host.docker.internal", "172.17.0.1", "fe80::1")


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "http://*",
        "https://*",
        "http://*:80",
        "http://local*",
        "http://a.example/path",
        "obsidian.md",
        "http://u@a",
    ],
)
def test_an_origin_that_is_none_or_stands_for_the_whole_web_is_refused(origin: str) -> None:
    write_file(f"allowed_origins = [{json.dumps(origin)}]\n")

    with pytest.raises(SettingsError, match="`allowed_origins"):
        load_settings()


@pytest.mark.parametrize("name", ["*", "a b", "http://a", "a:80", "user@a", ""])
def test_a_host_name_is_a_name_alone(name: str) -> None:
    write_file(f"allowed_hosts = [{json.dumps(name)}]\n")

    with pytest.raises(SettingsError, match="`allowed_hosts"):
        load_settings()


def test_a_list_that_is_not_json_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CODEX_WINDOWS_AI_ALLOWED_HOSTS", "[a")

    with pytest.raises(SettingsError, match="`allowed_hosts`"):
        load_settings()


def test_home_moves_everything_that_is_written(home: Path) -> None:
    assert cache_folder() == home / "cache"
    assert settings_file() == home / "config" / "settings.toml"
    assert state_folder() == home / "state"


def test_without_home_the_users_own_folders_are_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CODEX_WINDOWS_AI_HOME")

    assert "codex-windows-ai" in cache_folder().parts
    assert settings_file().parent.name == "codex-windows-ai"
    assert "codex-windows-ai" in state_folder().parts
