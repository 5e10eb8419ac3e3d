"""Progress on standard error."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

REPORT = """
from codex_windows_ai.cli.progress import ProgressReporter
with ProgressReporter() as progress:
    for stage in ("download", "convert"):
        for done in range(3):
            progress(stage, done, 2)
"""


def test_a_log_gets_one_plain_line_a_stage() -> None:
    ran = subprocess.run([sys.executable, "-c", REPORT], capture_output=True, encoding="utf-8", check=True)

    assert (ran.stdout, ran.stderr) == ("", "cwai: download\ncwai: convert\n")


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(("no_color", "coloured"), [("", True), ("1", False)])
def test_a_person_gets_a_bar_in_colour_unless_they_want_none(no_color: str, coloured: bool) -> None:
    import pty

    terminal, stderr = pty.openpty()
    environment = {**os.environ, "TERM": "xterm-256color", "NO_COLOR": no_color}
    with subprocess.Popen(
        [sys.executable, "-c", REPORT], stdout=subprocess.PIPE, stderr=stderr, env=environment
    ) as run:
        os.close(stderr)
        shown = b""
        try:
            while piece := os.read(terminal, 4096):
                shown += piece
        except OSError:  # Linux's way to say that nobody has the terminal open any more
            pass
        assert run.stdout
        assert run.stdout.read() == b""
    os.close(terminal)

    assert run.returncode == 0
    assert b"convert" in shown
    assert b"100%" in shown
    assert (b"\x1b[35m" in shown or b"\x1b[38;" in shown) == coloured
