"""Where an agent is run: a home of its own, and `cwai launch` in a folder."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.cli.program import COMMAND, Ran

PATIENCE = 300


@dataclass(frozen=True)
class Place:
    """A user's home, the folder that the agent works in, and its environment."""

    home: Path
    work: Path
    environment: dict[str, str]

    def launch(self, host_home: Path, agent: str, *options: str, arguments: Sequence[str]) -> Ran:
        """`cwai launch AGENT -- ARGUMENTS` for the host of a home."""
        return self.run([*COMMAND, "launch", agent, *options, "--", *arguments], CODEX_WINDOWS_AI_HOME=str(host_home))

    def run(self, command: Sequence[str], **environment: str) -> Ran:
        """Any program, with nothing on its standard input."""
        ran = subprocess.run(
            command,
            cwd=self.work,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=PATIENCE,
            check=False,
        )
        return Ran(ran.returncode, ran.stdout, ran.stderr)
