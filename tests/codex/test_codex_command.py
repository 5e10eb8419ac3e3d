"""`cwai codex` without the model of this machine: Codex itself, untouched.

A small script called `codex` on PATH shows what Codex is given.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.program import COMMAND, cwai, environment_with
from tests.codex.test_launch import RECORDER, put_codex

IN_PLACE = f"""#!{sys.executable}
import os, signal
print(os.getpid(), flush=True)
signal.pause()
"""


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["exec", "say hi"],
        ["-c", "model=x", "exec", "--json", "-"],
        ["exec", "--", "--use-windows-ai"],
        ["help"],
        ["exec", "--help"],
        ["--version"],
        ["-pname", "-xyz", "--unknown=1", ""],
    ],
)
def test_arguments_and_streams_and_the_exit_code_are_codexs_own(arguments: list[str], tmp_path: Path) -> None:
    ran = cwai("codex", *arguments, stdin="é".encode(), environment=put_codex(tmp_path, RECORDER))

    assert json.loads(ran.stdout) == {"arguments": arguments, "prompt": "é"}
    assert (ran.stderr, ran.exit_code) == ("working\n", 7)


def test_help_in_the_first_place_is_ours(tmp_path: Path) -> None:
    ran = cwai("codex", "--help", environment=put_codex(tmp_path, RECORDER))

    assert ran.exit_code == 0
    assert "--use-windows-ai" in ran.stdout


def test_codex_takes_the_place_of_our_process(tmp_path: Path) -> None:
    """So signals and job control need no forwarding."""
    with subprocess.Popen(
        [*COMMAND, "codex"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        env=environment_with(None, put_codex(tmp_path, IN_PLACE)),
        encoding="utf-8",
    ) as process:
        assert process.stdout
        assert int(process.stdout.readline()) == process.pid
        process.send_signal(signal.SIGTERM)

    assert process.returncode == -signal.SIGTERM


def test_without_codex_the_error_says_how_to_get_it(tmp_path: Path) -> None:
    (tmp_path / "codex_cli_bin").mkdir()
    (tmp_path / "codex_cli_bin" / "__init__.py").touch()

    ran = cwai(
        "codex", "--use-windows-ai", "exec", "hi", environment={"PATH": str(tmp_path), "PYTHONPATH": str(tmp_path)}
    )

    assert ran.exit_code == 4
    assert "npm install -g @openai/codex" in ran.stderr


def test_the_setting_does_what_the_flag_does(tmp_path: Path) -> None:
    environment = put_codex(tmp_path, RECORDER) | {
        "CODEX_WINDOWS_AI_USE_WINDOWS_AI": "true",
        "CODEX_WINDOWS_AI_KERNEL_ACCELERATED": "true",
    }

    assert cwai("codex", "exec", "hi", environment=environment).exit_code == 4
