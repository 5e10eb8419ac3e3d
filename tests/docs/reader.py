"""Types what the documents print."""

from __future__ import annotations

import os
import re
import select
import struct
import subprocess
import sys
import time
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from tests.docs.documents import ROOT, Block

_PATIENCE = 60.0
_CTRL_C = b"\x03"
_SECONDS_BETWEEN = 0.5  # two of them; Codex asks for a second one
_WHERE_IS_THE_CURSOR, _AT_THE_TOP = b"\x1b[6n", b"\x1b[1;1R"

# Commands that go on until their user ends them, and what the user sees by then.
_UNENDING = {"cwai serve": b"listening on", "cwai codex --use-windows-ai": b"OpenAI Codex"}


@dataclass(frozen=True)
class Reader:
    """A user with a shell, a folder and an environment."""

    folder: Path
    environment: dict[str, str]

    def type(self, block: Block) -> str:
        """Runs a block's commands and returns what they print; each must succeed."""
        # A block that names a file of the checkout is for somebody who stands there.
        in_checkout = any("/" in word and (ROOT / word).exists() for word in block.script.split())
        printed = ""
        for wanted, lines in groupby(re.split(r"(?<!\\)\n", block.script), _shown_by_unending):
            if wanted is None:
                script = "\n".join(lines)
                printed += self.run("bash", "-euxo", "pipefail", "-c", script, folder=ROOT if in_checkout else None)
            else:
                printed += "".join(self._interrupt(line, wanted) for line in lines)
        return printed

    def run(self, *command: str, given: str = "", folder: Path | None = None) -> str:
        """Runs a program to its end, which must be a good one, and returns what it prints."""
        ran = subprocess.run(
            command,
            cwd=folder or self.folder,
            env=self.environment,
            input=given,
            capture_output=True,
            encoding="utf-8",
            timeout=_PATIENCE,
        )
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran.stdout

    def python(self, program: str) -> str:
        """Runs a program of the documents."""
        return self.run(sys.executable, "-c", program)

    def _interrupt(self, command: str, wanted: bytes) -> str:
        """Runs a command in a terminal until it shows what is `wanted`, then presses Ctrl-C until it ends."""
        import fcntl
        import pty
        import termios

        ours, its = pty.openpty()
        fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
        with subprocess.Popen(
            ["setsid", "--ctty", "--wait", "bash", "-c", command],
            cwd=self.folder,
            env={**self.environment, "TERM": "xterm-256color"},
            stdin=its,
            stdout=its,
            stderr=its,
        ) as process:
            os.close(its)
            try:
                shown = _watch(ours, wanted)
                code = process.wait(_PATIENCE)
            finally:
                process.kill()
                os.close(ours)
        assert wanted in shown, shown
        assert code in (0, 130), shown
        return shown.decode("utf-8", errors="replace")


def _watch(screen: int, wanted: bytes) -> bytes:
    """All that is shown in a terminal, for whose user we press Ctrl-C."""
    shown, began, pressed = b"", time.monotonic(), 0.0
    while time.monotonic() - began < _PATIENCE:
        if select.select([screen], [], [], _SECONDS_BETWEEN)[0]:
            try:
                piece = os.read(screen, 65536)
            except OSError:  # how Linux says that nobody has the terminal open any more
                break
            shown += piece
            if _WHERE_IS_THE_CURSOR in piece:
                os.write(screen, _AT_THE_TOP)
        if wanted in shown and time.monotonic() - pressed >= _SECONDS_BETWEEN:
            pressed = time.monotonic()
            os.write(screen, _CTRL_C)
    return shown


def _shown_by_unending(line: str) -> bytes | None:
    return _UNENDING.get(line.partition(" #")[0].strip())
