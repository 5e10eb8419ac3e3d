"""Where an agent is run: a home of its own, and `cwai launch` in a folder."""

from __future__ import annotations

import os
import signal
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
        with subprocess.Popen(
            command,
            cwd=self.work,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
            start_new_session=True,
        ) as process:
            try:
                stdout, stderr = process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)  # an agent that goes on would ask the next test's host
                raise
        return Ran(process.returncode, stdout, stderr)
