"""The command line's frame."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.cli.program import COMMAND, cwai, environment_with

# What takes long to import; none of it may be needed to print a help text.
HEAVY = {"gguf", "numpy", "onnx", "onnxruntime", "psutil", "rich", "tokenizers", "jinja2", "pydantic_settings"}


def test_version_is_the_packages_own() -> None:
    ran = cwai("--version")

    assert (ran.exit_code, ran.stdout) == (0, f"cwai {version('codex-windows-ai')}\n")


def test_no_command_shows_the_help_as_a_usage_error() -> None:
    ran = cwai()

    assert ran.exit_code == 2
    assert ran.stdout == ""
    assert "doctor" in ran.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], ["exec", "--help"], ["models", "--help"]])
def test_help_and_version_import_nothing_heavy(arguments: list[str]) -> None:
    script = (
        "import sys\n"
        "from codex_windows_ai.cli.main import run\n"
        f"assert run({arguments!r}) == 0\n"
        f"print(sorted({HEAVY!r} & set(sys.modules)), file=sys.stderr)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, encoding="utf-8", check=True)

    assert ran.stderr == "[]\n"


def test_a_bug_is_one_sentence_and_exit_code_1(tmp_path: Path) -> None:
    # A dependency that breaks when it is imported stands for any bug.
    (tmp_path / "platformdirs.py").write_text("raise RuntimeError('broken on purpose')\n", encoding="utf-8")

    ran = cwai("config", "path", environment={"PYTHONPATH": str(tmp_path)})

    assert ran.exit_code == 1
    assert ran.stdout == ""
    assert "internal error: RuntimeError: broken on purpose" in ran.stderr
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize("arguments", [["--debug", "config", "path"], ["config", "path"]])
def test_the_traceback_of_a_bug_is_shown_on_request(arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / "platformdirs.py").write_text("raise RuntimeError('broken on purpose')\n", encoding="utf-8")
    debug = {} if "--debug" in arguments else {"CODEX_WINDOWS_AI_DEBUG": "1"}

    ran = cwai(*arguments, environment={"PYTHONPATH": str(tmp_path), **debug})

    assert ran.exit_code == 1
    assert "Traceback" in ran.stderr


def test_a_reader_that_goes_away_ends_the_program_quietly() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ran = subprocess.run(
        [*COMMAND, "config", "show"],
        stdout=writing,
        stderr=subprocess.PIPE,
        env=environment_with(None),
        encoding="utf-8",
        check=False,
    )
    os.close(writing)

    assert ran.stderr == ""
    assert ran.returncode == 1
