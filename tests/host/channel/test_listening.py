"""The channel door of a host: open, or not and why, in the host's own words."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from codex_windows_ai.channel.linux import connect_channel
from codex_windows_ai.host.channel import listening
from codex_windows_ai.host.channel.listening import open_channel_door
from codex_windows_ai.host.host import Host
from codex_windows_ai.settings import Settings

pytestmark = pytest.mark.anyio


def use_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(listening, "channel_socket", lambda: folder / "channel.sock")
    return folder / "channel.sock"


async def test_on_linux_it_is_open_at_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, host = use_folder(tmp_path, monkeypatch), Host(Settings())
    assert not host.channels.open
    async with open_channel_door(host):
        assert (host.channels.open, host.channels.detail) == (True, f"At {path}.")
        (await connect_channel(path)).close()


async def test_where_it_cannot_be_opened_the_host_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    use_folder(tmp_path / ("x" * 120), monkeypatch)
    host = Host(Settings())
    async with open_channel_door(host):
        assert not host.channels.open
        assert "more than 107 bytes" in host.channels.detail
        assert "CODEX_WINDOWS_AI_HOME" in host.channels.detail


async def test_on_windows_the_driver_is_looked_for_and_again_when_asked(
    tiny_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "sys", SimpleNamespace(platform="win32"))
    host = Host(tiny_settings)
    async with open_channel_door(host):
        assert await host.look_for_driver()
        assert not host.channels.open
        assert "kernel driver needs Windows" in host.channels.detail  # what is not one says so
    await host.close()


async def test_elsewhere_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(listening, "sys", SimpleNamespace(platform="darwin"))
    host = Host(Settings())
    async with open_channel_door(host):
        assert (host.channels.open, host.channels.detail) == (False, "There are no channels on darwin.")
