"""Runs the real command line in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

COMMAND = [sys.executable, "-m", "codex_windows_ai.cli"]


@dataclass(frozen=True)
class Ran:
    """A finished run."""

    exit_code: int
    stdout: str
    stderr: str


def environment_with(home: Path | None, extra: dict[str, str] | None = None) -> dict[str, str]:
    """This process's environment without the user's settings, with everything written below `home`."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CODEX_WINDOWS_AI_")}
    if home:
        environment["CODEX_WINDOWS_AI_HOME"] = str(home)
    elif "CODEX_WINDOWS_AI_HOME" in os.environ:
        environment["CODEX_WINDOWS_AI_HOME"] = os.environ["CODEX_WINDOWS_AI_HOME"]
    return environment | (extra or {})


def limited(limit: str) -> list[str]:
    """What goes before a command so that it runs under a limit, arguments of the shell's `ulimit`."""
    return ["sh", "-c", f'ulimit {limit}; exec "$@"', "sh"] if limit else []


def cwai(
    *arguments: str | bytes,
    stdin: bytes = b"",
    home: Path | None = None,
    environment: dict[str, str] | None = None,
    limit: str = "",
) -> Ran:
    """Run `cwai` with `arguments` to its end; `limit` as `limited` has it."""
    ran = subprocess.run(
        [*limited(limit), *COMMAND, *arguments],
        input=stdin,
        capture_output=True,
        env=environment_with(home, environment),
        timeout=240,
        check=False,
    )
    return Ran(ran.returncode, ran.stdout.decode("utf-8"), ran.stderr.decode("utf-8"))
