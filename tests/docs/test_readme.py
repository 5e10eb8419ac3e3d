"""What the README tells users to type works as it is printed."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


@pytest.fixture
def user(user_environment: dict[str, str], tmp_path: Path) -> dict[str, object]:
    """A shell with `cwai` on its path, in a folder with a file and a repository, and a host that runs."""
    (tmp_path / "setup.py").write_text("print('hello')\n", encoding="utf-8")
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)
    return {"cwd": tmp_path, "env": user_environment, "capture_output": True, "encoding": "utf-8", "timeout": 120}


def commands() -> list[str]:
    """The shell commands, a line each except where one is continued or needs the one before."""
    shell = blocks("sh")
    assert len(shell) >= 2
    return [*shell[0].splitlines(), *shell[1:]]


@pytest.mark.parametrize("command", commands())
def test_a_shell_command_works_as_printed(command: str, user: dict[str, object]) -> None:
    if command.startswith("git diff"):  # an empty one would be no prompt
        command = f"echo changed > setup.py && git add --intent-to-add setup.py && {command}"
    ran = subprocess.run(["bash", "-euo", "pipefail", "-c", command], **user)  # type: ignore[call-overload]

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip()


@pytest.mark.parametrize("program", blocks("python"), ids=["openai", "package"])
def test_a_python_program_works_as_printed(program: str, user: dict[str, object]) -> None:
    ran = subprocess.run([sys.executable, "-c", program], **user)  # type: ignore[call-overload]

    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.strip()


def test_the_mcp_configuration_starts_a_server_that_answers(user: dict[str, object]) -> None:
    (configuration,) = blocks("json")
    server = json.loads(configuration)["mcpServers"]["windows-ai"]
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "a reader of the README", "version": "1"},
        },
    }

    ran = subprocess.run([server["command"], *server["args"]], input=json.dumps(hello) + "\n", **user)  # type: ignore[call-overload]

    assert ran.returncode == 0, ran.stderr
    assert json.loads(ran.stdout)["result"]["serverInfo"]["name"] == "windows-ai"


def test_codex_works_as_printed(user: dict[str, object], tmp_path: Path) -> None:
    """All but the installation (a development dependency here) and the terminal interface, which needs a terminal."""
    (session,) = blocks("console")
    printed = [line.removeprefix("$ ").partition(" #")[0].strip() for line in session.splitlines()]
    (tmp_path / "codex").mkdir()
    environment = {**user["env"], "CODEX_HOME": str(tmp_path / "codex")}  # type: ignore[dict-item]
    shell = {**user, "env": environment, "stdin": subprocess.DEVNULL}

    ran = subprocess.run(["bash", "-euo", "pipefail", "-c", printed[1]], **shell)  # type: ignore[call-overload]
    assert ran.returncode == 0, ran.stderr
    assert "Paris" in ran.stdout
    for line in printed[3:]:
        ran = subprocess.run(["bash", "-euo", "pipefail", "-c", line], **shell)  # type: ignore[call-overload]
        assert ran.returncode == 0, ran.stderr
    assert printed[3:] == ["cwai setup codex", "cwai setup codex restore"]


def test_every_file_that_a_document_points_to_is_there() -> None:
    for document in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        text = document.read_text(encoding="utf-8")
        for target in re.findall(r"\]\(([^)#:]+?)(?:#[^)]*)?\)", text):
            assert (document.parent / target).exists(), f"{document.name} points to {target}"
