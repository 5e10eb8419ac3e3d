"""Hosts and clients that die or are stopped while an answer streams. Each test waits for events, never for time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.cli.program import COMMAND, cwai, environment_with
from tests.served import PATIENCE, make_home, read_host_file, stop_host_of

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")

EXEC = ["exec", "--use-windows-ai"]
STORY = "Write a very long story about a lighthouse."


@pytest.fixture(scope="module")
def home(default_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home folder in which hosts are started on demand."""
    home = make_home(tmp_path_factory.mktemp("chaos") / "home", default_model)
    yield home
    stop_host_of(home)


@contextmanager
def streaming(home: Path, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`cwai exec` in the middle of its answer: its first character has been read."""
    with subprocess.Popen(
        [*COMMAND, *EXEC, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment_with(home),
        encoding="utf-8",
    ) as process:
        assert process.stdout
        assert process.stdout.read(1)
        try:
            yield process
        finally:
            process.kill()


def status_of(home: Path) -> dict[str, Any]:
    ran = cwai("status", "--json", home=home)
    assert ran.exit_code == 0, ran.stderr
    return json.loads(ran.stdout)


def host_pid(home: Path) -> int:
    record = read_host_file(home)
    assert record is not None
    return record["pid"]


def test_a_host_that_is_killed_ends_the_answer_with_a_clear_error_and_the_next_call_works(home: Path) -> None:
    with streaming(home, STORY) as process:
        killed = host_pid(home)
        os.kill(killed, signal.SIGKILL)
        _, errors = process.communicate(timeout=PATIENCE)

    assert process.returncode == 5
    assert "does not answer" in errors
    assert "hint: Ask again" in errors
    assert "Traceback" not in errors

    ran = cwai(*EXEC, "--max-output-tokens", "2", "hi", home=home)
    assert ran.exit_code == 0, ran.stderr
    assert host_pid(home) != killed


def test_a_client_that_is_killed_frees_its_place(home: Path) -> None:
    with streaming(home, STORY) as process:
        assert status_of(home)["queue"]["running"] == 1
        process.send_signal(signal.SIGKILL)
        process.wait(PATIENCE)

    while (status := status_of(home))["queue"]["running"]:
        pass
    assert (status["queue"]["cancelled"], status["active_requests"]) == (1, 0)


def test_stop_lets_an_answer_finish(home: Path) -> None:
    with streaming(home, "--max-output-tokens", "24", STORY) as process:
        assert cwai("stop", home=home).exit_code == 0
        _, errors = process.communicate(timeout=PATIENCE)

    assert process.returncode == 0, errors
    assert "24 out" in errors
    assert read_host_file(home) is None


def test_stop_tells_a_client_whose_answer_would_take_too_long(home: Path) -> None:
    with streaming(home, "--max-output-tokens", "8000", "--temperature", "1", "--seed", "1", STORY) as process:
        stopped = cwai("stop", "--json", home=home)
        _, errors = process.communicate(timeout=PATIENCE)

    assert json.loads(stopped.stdout)["clean"] is True
    assert process.returncode == 1
    assert "shut down" in errors
    assert "Traceback" not in errors


def test_what_is_asked_while_a_host_ends_is_answered_by_the_next(home: Path) -> None:
    with streaming(home, "--max-output-tokens", "48", STORY) as process:
        ending = host_pid(home)
        os.kill(ending, signal.SIGTERM)

        ran = cwai(*EXEC, "--max-output-tokens", "2", "hi", home=home)

        assert ran.exit_code == 0, ran.stderr
        assert host_pid(home) != ending
        process.communicate(timeout=PATIENCE)


def test_a_second_signal_ends_the_host_at_once_and_leaves_nothing_that_blocks_the_next(home: Path) -> None:
    with streaming(home, STORY) as process:
        ending = host_pid(home)
        os.kill(ending, signal.SIGTERM)
        while status_of(home)["state"] != "stopping":
            pass
        os.kill(ending, signal.SIGTERM)
        process.communicate(timeout=PATIENCE)

    ran = cwai(*EXEC, "--max-output-tokens", "2", "hi", home=home)
    assert ran.exit_code == 0, ran.stderr
    assert host_pid(home) != ending
