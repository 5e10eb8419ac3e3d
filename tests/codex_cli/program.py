"""Runs the real Codex CLI to its end."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codex_windows_ai.codex.launch import find_codex
from tests.cli.program import COMMAND, Ran
from tests.codex_cli.live import CodexHost

PATIENCE = 90


@dataclass(frozen=True)
class Workplace:
    """A folder that Codex works in, and its own configuration folder."""

    folder: Path
    codex_home: Path
    environment: dict[str, str]
    known_host: CodexHost | None = None

    @property
    def host(self) -> CodexHost:
        """The host of this test's own process."""
        assert self.known_host is not None
        return self.known_host

    def codex(self, *arguments: str, environment: dict[str, str] | None = None) -> Ran:
        """Codex itself, with nothing on its standard input."""
        return self._run([str(find_codex()), *arguments], environment)

    def cwai(self, *arguments: str, environment: dict[str, str] | None = None) -> Ran:
        """Our command line."""
        return self._run([*COMMAND, *arguments], environment)

    def execute(self, *arguments: str, environment: dict[str, str] | None = None) -> Ran:
        """`cwai codex --use-windows-ai exec`, where the folder need be no repository."""
        command = ("codex", "--use-windows-ai", "exec", "--skip-git-repo-check", *arguments)
        return self.cwai(*command, environment=environment)

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """As `execute`, in the background."""
        command = [*COMMAND, "codex", "--use-windows-ai", "exec", "--skip-git-repo-check", *arguments]
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
        )

    def _run(self, command: list[str], environment: dict[str, str] | None) -> Ran:
        ran = subprocess.run(
            command,
            cwd=self.folder,
            env=self.environment | (environment or {}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE,
            check=False,
        )
        return Ran(ran.returncode, ran.stdout, ran.stderr)


def workplace(home: Path, folder: Path, host: CodexHost | None = None) -> Workplace:
    """A place of its own below `folder`, from which the host of `home` is found."""
    work, codex_home, user_home = folder / "work", folder / "codex", folder / "user"
    for made in (work, codex_home, user_home):
        made.mkdir(parents=True)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("CODEX_")}
    environment |= {
        "CODEX_HOME": str(codex_home),
        "CODEX_WINDOWS_AI_HOME": str(home),
        "HOME": str(user_home),
    }
    return Workplace(work, codex_home, environment, host)


def json_lines(text: str) -> list[dict[str, Any]]:
    """What `codex exec --json` writes."""
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]
