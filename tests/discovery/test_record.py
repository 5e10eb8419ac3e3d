"""How the one host is found, and what is recognised as not being it."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from codex_windows_ai.discovery import record as discovery
from codex_windows_ai.discovery.record import HostRecord
from codex_windows_ai.errors import HostRunsAlreadyError, InvalidRequestError, StorageError


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of the test's own."""
    monkeypatch.setenv("CODEX_WINDOWS_AI_HOME", str(tmp_path))
    (tmp_path / "state").mkdir()
    return tmp_path / "state"


def own_record() -> HostRecord:
    """A record that names this very process."""
    return HostRecord(
        url="http://127.0.0.1:1",
        port=1,
        token_file="token",
        pid=os.getpid(),
        process_start=discovery.process_start(os.getpid()) or "",
        version="0",
        default_model="tiny",
        provider="auto",
        require_device=None,
        models=("tiny",),
        on_demand=True,
    )


def test_what_is_written_is_read() -> None:
    discovery.write_record(own_record())

    assert discovery.read_record() == own_record()


@pytest.mark.skipif(sys.platform == "win32", reason="the profile folder protects files there")
def test_record_and_token_are_for_their_user_only(state: Path) -> None:
    discovery.write_record(own_record())

    assert discovery.record_file().stat().st_mode & 0o777 == 0o600
    assert discovery.own_token_file().stat().st_mode & 0o777 == 0o600


def test_the_token_stays_the_same_and_is_long() -> None:
    first = discovery.read_token(discovery.own_token_file())

    assert discovery.read_token(discovery.own_token_file()) == first
    assert len(first) >= 43


def test_a_record_of_a_process_that_has_ended_is_stale() -> None:
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    started = discovery.process_start(process.pid)
    discovery.write_record(replace(own_record(), pid=process.pid, process_start=started or ""))
    assert discovery.read_record() is not None

    process.communicate(b"\n")

    assert discovery.read_record() is None


@pytest.mark.skipif(sys.platform == "win32", reason="processes are not reaped there")
def test_a_record_of_a_process_that_is_not_reaped_yet_is_stale() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as process:
        started = discovery.process_start(process.pid)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        discovery.write_record(replace(own_record(), pid=process.pid, process_start=started or ""))

        assert discovery.read_record() is None


def test_a_record_whose_process_number_is_another_processes_now_is_stale() -> None:
    discovery.write_record(replace(own_record(), process_start="before"))

    assert discovery.read_record() is None


def test_a_clock_that_jumps_does_not_make_a_process_another(monkeypatch: pytest.MonkeyPatch) -> None:
    discovery.write_record(own_record())
    now = time.time
    monkeypatch.setattr(time, "time", lambda: now() + 86400.0)
    monkeypatch.setattr(psutil, "boot_time", lambda: 0.0)

    assert discovery.read_record() == own_record()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "{}", '{"schema_version": 1}', '{"schema_version": 99}', "\x00\xff"]
)
def test_a_file_that_is_not_a_record_counts_as_none(content: str) -> None:
    discovery.record_file().write_text(content, encoding="utf-8")

    assert discovery.read_record() is None


def test_a_host_serves_what_it_has_loaded_and_what_it_was_started_with() -> None:
    record = replace(own_record(), default_model="/models/some", models=("some",))

    assert record.serves("some") and record.serves("/models/some")
    assert not record.serves("other")


def test_a_record_of_another_version_is_read_whatever_it_calls_its_model() -> None:
    discovery.write_record(own_record())
    content = json.loads(discovery.record_file().read_text(encoding="utf-8"))
    content |= {"schema_version": 1, "version": "0.0.1", "model": "old", "unknown": 1}
    del content["default_model"]
    discovery.record_file().write_text(json.dumps(content), encoding="utf-8")

    assert discovery.read_record() == replace(own_record(), version="0.0.1", default_model="")


def test_only_the_own_record_is_removed() -> None:
    discovery.write_record(own_record())

    discovery.remove_record(replace(own_record(), pid=1))
    assert discovery.read_record() is not None
    discovery.remove_record(own_record())
    assert discovery.read_record() is None


def test_a_second_lock_is_refused_and_says_who_holds_it() -> None:
    with discovery.host_lock():
        discovery.write_record(own_record())
        with pytest.raises(HostRunsAlreadyError, match=f"process {os.getpid()}"), discovery.host_lock():
            pass
    with discovery.host_lock():
        pass


def test_a_full_disk_is_said_and_leaves_the_old_file_and_no_other(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    discovery.write_record(own_record())

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="No space left") as caught:
        discovery.write_record(replace(own_record(), port=2))

    assert "CODEX_WINDOWS_AI_HOME" in str(caught.value.hint)
    assert discovery.read_record() == own_record()
    assert [file.name for file in state.iterdir()] == ["host.json"]


def test_what_a_killed_host_left_half_written_is_removed_by_the_next(state: Path) -> None:
    handle, leftover = tempfile.mkstemp(prefix=".host.json~", dir=state)
    os.close(handle)

    with discovery.host_lock():
        assert not Path(leftover).exists()


@pytest.mark.parametrize("content", ["", "short", "two words that are long enough", "ünïcödé-is-not-for-headers"])
def test_a_token_that_protects_nothing_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "token").touch(0o600)
    (tmp_path / "token").write_text(content, encoding="utf-8")

    with pytest.raises(InvalidRequestError, match="16 or more"):
        discovery.read_token(tmp_path / "token")


def test_a_token_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="absent"):
        discovery.read_token(tmp_path / "absent")
