"""Ctrl-C and SIGTERM, at every stage of a first answer. Each test waits for output, never for time."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from codex_windows_ai.settings import DEFAULT_MODEL
from tests.cli.program import COMMAND, environment_with
from tests.served import stop_host_of

SIGNALS = [signal.SIGINT, signal.SIGTERM]
STORY = ["exec", "--use-windows-ai", "Write a very long story about a lighthouse."]


@contextmanager
def running(*arguments: str, home: Path, **environment: str) -> Iterator[subprocess.Popen[str]]:
    """`cwai` at work, with both streams to read from."""
    with subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment_with(home, environment),
        encoding="utf-8",
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_stage(process: subprocess.Popen[str], stage: str) -> None:
    """Read standard error until it announces `stage`."""
    assert process.stderr
    for line in process.stderr:
        if line == f"cwai: {stage}\n":
            return
    raise AssertionError(f"the program ended before the stage {stage!r}")


def models_of(home: Path) -> list[str]:
    return sorted(folder.name for folder in (home / "cache" / "models").iterdir() if folder.is_dir())


@pytest.mark.parametrize("number", SIGNALS)
def test_while_generating_the_text_so_far_stays(number: signal.Signals, answering_home: Path) -> None:
    with running(*STORY, home=answering_home) as process:
        assert process.stdout and process.stderr
        first = process.stdout.read(1)
        process.send_signal(number)
        rest, errors = process.stdout.read(), process.stderr.read()

    assert process.wait() == 130
    assert (first + rest).strip()
    assert rest.endswith("\n")
    assert "tokens in" in errors
    assert errors.endswith("cwai: interrupted\n")


@pytest.mark.parametrize("number", SIGNALS)
def test_while_loading_it_ends_with_what_there_is(number: signal.Signals, fresh_home: Path) -> None:
    with running(*STORY, "--json", home=fresh_home) as process:
        assert process.stdout
        wait_for_stage(process, "loading")
        process.send_signal(number)
        answer = json.loads(process.stdout.read())

    assert process.wait() == 130
    assert answer["finish_reason"] == "cancelled"


def test_while_the_host_downloads_nothing_half_written_stays(silent_index: str, empty_home: Path) -> None:
    offline = {"PIP_INDEX_URL": silent_index, "PIP_CONFIG_FILE": "/dev/null", "PIP_EXTRA_INDEX_URL": ""}
    with running(*STORY, "--json", home=empty_home, **offline) as process:
        assert process.stdout and process.stderr
        wait_for_stage(process, "download")
        process.send_signal(signal.SIGINT)
        answer = json.loads(process.stdout.read())
        errors = process.stderr.read()

    assert process.wait() == 130
    assert answer == answer | {"text": "", "provider": None, "finish_reason": "cancelled", "usage": None}
    assert errors == "cwai: interrupted\n"
    stop_host_of(empty_home)  # waits for its end; it was asked to end by the one who had started it
    assert models_of(empty_home) == []


@pytest.mark.parametrize("command", [STORY, ["models", "add", DEFAULT_MODEL]])
def test_while_converting_nothing_half_written_stays(command: list[str], empty_home: Path) -> None:
    with running(*command, home=empty_home) as process:
        assert process.stdout
        wait_for_stage(process, "convert")
        process.send_signal(signal.SIGINT)
        assert process.stdout.read() == ""

    assert process.wait() == 130
    stop_host_of(empty_home)
    assert models_of(empty_home) == []


def test_while_reading_standard_input(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "exec", "--use-windows-ai", "-"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment_with(tmp_path),
        encoding="utf-8",
    ) as process:
        assert process.stdin and process.stderr
        # It says so once it has waited for a while.
        assert process.stderr.readline() == "cwai: reading standard input to its end…\n"
        process.send_signal(signal.SIGINT)
        assert process.wait() == 130
