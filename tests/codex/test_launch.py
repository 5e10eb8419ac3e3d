"""Handing a prompt over to the Codex CLI.

A small script called `codex` on PATH shows what Codex is given. `test_real_codex.py` drives the real one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from codex_windows_ai.codex.launch import codex_version, find_codex
from codex_windows_ai.errors import CodexNotFoundError
from tests.cli.program import COMMAND, Ran, cwai, environment_with

RECORDER = f"""#!{sys.executable}
import json, sys
print(json.dumps({{"arguments": sys.argv[1:], "prompt": sys.stdin.buffer.read().decode("utf-8")}}))
print("working", file=sys.stderr)
sys.exit(7)
"""

WAITER = f"""#!{sys.executable}
import os, signal, sys
def say(text):  # not print, which a signal's handler may not use while the program is inside it
    os.write(1, text.encode() + b"\\n")
def end(number, frame):
    say("ended by " + signal.Signals(number).name)
    sys.exit(9)
signal.signal(signal.SIGINT, end)
signal.signal(signal.SIGTERM, end)
sys.stdin.read()
say("ready")
while True:
    signal.pause()
"""


def put_codex(folder: Path, script: str) -> dict[str, str]:
    """Put `script` on PATH as `codex` and return the environment that does so."""
    executable = folder / "codex"
    executable.write_text(script, encoding="utf-8")
    executable.chmod(0o755)
    return {"PATH": f"{folder}{os.pathsep}{os.environ['PATH']}"}


def recorded(ran: Ran) -> dict[str, object]:
    return json.loads(ran.stdout)


def test_the_prompt_reaches_codex_exec_and_its_streams_and_exit_code_come_back(tmp_path: Path) -> None:
    ran = cwai("exec", "Explain this: é", environment=put_codex(tmp_path, RECORDER))

    assert recorded(ran) == {"arguments": ["exec", "-"], "prompt": "Explain this: é"}
    assert ran.stderr == "working\n"
    assert ran.exit_code == 7


def test_model_and_json_are_codexs_own_options(tmp_path: Path) -> None:
    ran = cwai("exec", "--json", "--model", "gpt-6", "hi", environment=put_codex(tmp_path, RECORDER))

    assert recorded(ran)["arguments"] == ["exec", "--json", "--model", "gpt-6", "-"]


def test_a_prompt_that_looks_like_an_option_stays_a_prompt(tmp_path: Path) -> None:
    ran = cwai("exec", "--", "--version", environment=put_codex(tmp_path, RECORDER))

    assert recorded(ran)["prompt"] == "--version"


def test_files_and_piped_text_longer_than_a_command_line_arrive_whole(tmp_path: Path) -> None:
    file = tmp_path / "long.txt"
    file.write_text("x" * 3_000_000, encoding="utf-8")

    ran = cwai("exec", "Count.", "--file", str(file), stdin=b"more", environment=put_codex(tmp_path, RECORDER))

    prompt = recorded(ran)["prompt"]
    assert prompt == f'Count.\n\n<file name="{file}">\n{"x" * 3_000_000}\n</file>\n\n<stdin>\nmore\n</stdin>'


@pytest.mark.parametrize(
    "options",
    [["--seed", "1"], ["--temperature", "0.5"], ["--top-p", "0.9"], ["--max-output-tokens", "5"], ["--system", "x"]],
)
def test_options_that_codex_does_not_have_are_refused_by_name(options: list[str], tmp_path: Path) -> None:
    ran = cwai("exec", *options, "hi", environment=put_codex(tmp_path, RECORDER))

    assert ran.exit_code == 2
    assert ran.stdout == ""
    assert options[0] in ran.stderr


def test_without_codex_the_error_says_how_to_get_it(tmp_path: Path) -> None:
    # A package of that name without the executable hides the real one, which would ask its own service.
    (tmp_path / "codex_cli_bin").mkdir()
    (tmp_path / "codex_cli_bin" / "__init__.py").touch()

    ran = cwai("exec", "hi", environment={"PATH": str(tmp_path), "PYTHONPATH": str(tmp_path)})

    assert ran.exit_code == 4
    assert "npm install -g @openai/codex" in ran.stderr
    assert "--use-windows-ai" in ran.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_passed_on_to_codex(number: signal.Signals, tmp_path: Path) -> None:
    environment = environment_with(None, put_codex(tmp_path, WAITER))
    with subprocess.Popen(
        [*COMMAND, "exec", "hi"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, env=environment, encoding="utf-8"
    ) as process:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
        process.send_signal(number)
        assert process.stdout.readline() == f"ended by {number.name}\n"

    assert process.returncode == 9


def test_death_by_a_signal_is_reported_as_a_shell_does(tmp_path: Path) -> None:
    script = f"#!{sys.executable}\nimport os, signal, sys\nsys.stdin.read()\nos.kill(os.getpid(), signal.SIGKILL)\n"

    assert cwai("exec", "hi", environment=put_codex(tmp_path, script)).exit_code == 128 + signal.SIGKILL


def test_a_codex_that_reads_no_prompt_is_no_error_of_ours(tmp_path: Path) -> None:
    script = f"#!{sys.executable}\nimport sys\nsys.stdin.close()\nsys.exit(3)\n"

    ran = cwai("exec", "x" * 100_000, environment=put_codex(tmp_path, script))

    assert (ran.exit_code, ran.stderr) == (3, "")


def test_a_codex_that_does_not_start_is_named(tmp_path: Path) -> None:
    ran = cwai("exec", "hi", environment=put_codex(tmp_path, "#!/nowhere/python\n"))

    assert ran.exit_code == 4
    assert str(tmp_path / "codex") in ran.stderr
    assert "does not run" in ran.stderr


def test_the_packaged_codex_is_found_when_path_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # The layout of openai-codex-cli-bin 0.163.0.
    package = tmp_path / "codex_cli_bin"
    (package / "bin").mkdir(parents=True)
    (package / "__init__.py").touch()
    put_codex(package / "bin", RECORDER)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.syspath_prepend(tmp_path)

    assert find_codex() == package / "bin" / "codex"


def test_a_program_called_codex_that_fails_has_no_version(tmp_path: Path) -> None:
    put_codex(tmp_path, RECORDER)

    with pytest.raises(CodexNotFoundError, match="does not run"):
        codex_version(tmp_path / "codex")
