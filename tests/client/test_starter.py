"""How a client comes to its host."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from codex_windows_ai.client import starter
from codex_windows_ai.client.starter import ensure_host, stop_host
from codex_windows_ai.discovery.record import HostRecord, read_record
from codex_windows_ai.errors import HostStartError, HostUnreachableError, ModelNotFoundError
from codex_windows_ai.settings import DEFAULT_MODEL, Settings
from tests.cli.program import cwai, environment_with
from tests.served import PATIENCE, make_home, serving


@pytest.fixture
def home(tiny_model_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A home folder of the test's own, for this process too; its host is ended."""
    monkeypatch.setenv("CODEX_WINDOWS_AI_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("CODEX_WINDOWS_AI_PORT", "0")
    monkeypatch.setenv("CODEX_WINDOWS_AI_THREADS", "1")
    yield make_home(tmp_path / "home", tiny_model_path)
    if record := read_record():
        asyncio.run(stop_host(record))


def find(settings: Settings | None = None, stages: list[str] | None = None) -> HostRecord:
    def report(stage: str, done: int, total: int) -> None:
        if stages is not None and stage not in stages:
            stages.append(stage)

    return asyncio.run(ensure_host(settings, progress=report))


def change_record(home: Path, **fields: Any) -> None:
    file = home / "state" / "host.json"
    record = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps(record | fields), encoding="utf-8")


def test_a_host_is_started_with_progress_and_found_the_next_time(home: Path) -> None:
    stages: list[str] = []

    first = find(stages=stages)

    assert stages[0] == "starting the host"
    assert (first.models, first.on_demand) == (("tiny",), True)
    again: list[str] = []
    assert find(stages=again).pid == first.pid
    assert again == []


def test_an_idle_host_of_another_version_is_replaced_and_that_is_said(home: Path) -> None:
    first = find()
    change_record(home, version="0.0.1")
    stages: list[str] = []

    second = find(stages=stages)

    assert second.pid != first.pid
    assert not first.alive
    assert any("version 0.0.1" in stage for stage in stages)


def test_an_idle_host_of_another_model_is_replaced(home: Path, tiny_model_path: Path, tmp_path: Path) -> None:
    (tmp_path / "other").symlink_to(tiny_model_path)
    first = find()

    second = find(Settings(model=str(tmp_path / "other"), threads=1))

    assert second.pid != first.pid
    assert second.default_model == str(tmp_path / "other")


def test_a_host_that_somebody_serves_is_left_alone_whatever_differs(home: Path) -> None:
    differences: list[dict[str, Any]] = [
        {"version": "0.0.1"},
        {"default_model": "other", "models": []},
        {"provider": "other"},
    ]
    with serving(home) as host:
        find()
        original = (home / "state" / "host.json").read_text(encoding="utf-8")
        for difference in differences:
            change_record(home, **difference)
            with pytest.raises(HostStartError, match="in use") as caught:
                find()
            assert "cwai stop" in str(caught.value.hint)
            (home / "state" / "host.json").write_text(original, encoding="utf-8")

        assert find().pid == host.process.pid


def test_the_model_that_cannot_be_loaded_is_said_and_no_host_stays_behind(home: Path) -> None:
    with pytest.raises(ModelNotFoundError, match="`absent`"):
        find(Settings(model="absent"))

    assert read_record() is None


def test_a_served_host_whose_model_was_missing_loads_it_when_asked_again(
    home: Path, tiny_model_path: Path, tmp_path: Path
) -> None:
    later = tmp_path / "later"
    with serving(home, "--model", str(later)) as host:
        with pytest.raises(ModelNotFoundError):
            find(Settings(model=str(later)))
        later.symlink_to(tiny_model_path)

        assert find(Settings(model=str(later))).pid == host.process.pid


def test_a_host_that_dies_before_it_listens_is_said_with_the_end_of_its_log(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEX_WINDOWS_AI_COLOUR", "blue")  # no such setting
    monkeypatch.setenv("CODEX_WINDOWS_AI_PROVIDER", "engine:gpu")
    (home / "config" / "settings.toml").write_text("colour = 1\n", encoding="utf-8")

    with pytest.raises(HostStartError, match="exit code 2") as caught:
        find(Settings.model_construct(model=DEFAULT_MODEL, provider="auto"))

    assert "colour" in caught.value.message
    assert "host.log" in str(caught.value.hint)


def test_a_model_that_is_not_here_ends_no_host(home: Path) -> None:
    with serving(home) as host:
        with pytest.raises(ModelNotFoundError, match="no-such-model"):
            find(Settings(model="no-such-model"))

        assert host.process.poll() is None


@pytest.mark.skipif(sys.platform == "win32", reason="needs a limit on the size of files")
def test_on_a_full_disk_the_reason_for_failing_to_start_is_said(home: Path) -> None:
    ran = cwai("exec", "--use-windows-ai", "hi", home=home, limit="-f 0")

    assert ran.exit_code == 1
    assert f"Cannot write {home / 'state' / 'token'}" in ran.stderr
    assert "CODEX_WINDOWS_AI_HOME" in ran.stderr


@pytest.mark.parametrize("kilobytes", [100_000, 300_000])
@pytest.mark.skipif(sys.platform != "linux", reason="needs a limit on address space")
def test_where_memory_is_limited_that_is_said(home: Path, kilobytes: int) -> None:
    ran = cwai("exec", "--use-windows-ai", "hi", home=home, limit=f"-v {kilobytes}")

    assert ran.exit_code != 0
    assert "ulimit -v" in ran.stderr
    assert "Traceback" not in ran.stderr


START_AND_LEAVE = """
import asyncio, os, subprocess
from codex_windows_ai.client.starter import ensure_host
class Popen(subprocess.Popen):
    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        os.write(1, str(self.pid).encode())
        os._exit(0)  # as if it were killed: nobody hears what the host says
subprocess.Popen = Popen
asyncio.run(ensure_host())
"""


@pytest.mark.skipif(sys.platform == "win32", reason="the process started there is Python's launcher")
def test_a_host_whose_starter_is_gone_before_it_listens_starts_all_the_same(home: Path) -> None:
    environment = environment_with(home, {"CODEX_WINDOWS_AI_PORT": "0"})
    ran = subprocess.run([sys.executable, "-c", START_AND_LEAVE], capture_output=True, env=environment, check=True)
    started = int(ran.stdout)
    while read_record() is None:
        assert psutil.pid_exists(started)

    assert find().pid == started
    assert "is loaded" in (home / "state" / "host.log").read_text(encoding="utf-8")


@pytest.mark.parametrize("keep", [True, False])
def test_a_call_that_is_cancelled_ends_the_host_that_it_started_unless_that_is_to_be_kept(
    keep: bool, silent_index: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "config" / "settings.toml").unlink()  # so that the default model is downloaded, which never ends
    for name, value in {
        "PIP_INDEX_URL": silent_index,
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_EXTRA_INDEX_URL": "",
    }.items():
        monkeypatch.setenv(name, value)

    async def cancel_while_downloading() -> psutil.Process:
        downloading = asyncio.Event()

        def report(stage: str, done: int, total: int) -> None:
            if stage == "download":
                downloading.set()

        search = asyncio.create_task(ensure_host(progress=report, keep=keep))
        await downloading.wait()
        record = read_record()
        assert record is not None
        process = psutil.Process(record.pid)
        search.cancel()
        with pytest.raises(asyncio.CancelledError):
            await search
        return process

    process = asyncio.run(cancel_while_downloading())

    if keep:
        assert read_record() is not None
    else:
        assert psutil.wait_procs([process], timeout=PATIENCE)[1] == []


@pytest.mark.skipif(sys.platform != "linux", reason="SIGSTOP")
def test_a_host_that_hangs_is_said_and_not_waited_for_for_ever(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(starter, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(starter, "SILENCE_SECONDS", 0.1)
    with serving(home) as host:
        os.kill(host.process.pid, signal.SIGSTOP)
        try:
            with pytest.raises(HostUnreachableError, match="runs but does not answer") as caught:
                find()
        finally:
            os.kill(host.process.pid, signal.SIGCONT)

    assert "cwai stop" in str(caught.value.hint)
