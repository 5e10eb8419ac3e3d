"""Write docs/cli.md from the --help of every command; with --check only say whether it is current."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

REFERENCE = Path(__file__).parents[1] / "docs" / "cli.md"

HEADER = """\
# The command line

Written by `python scripts/generate_cli_reference.py` from each command's `--help`; do not edit.

Answers go to standard output, everything else to standard error. With `--json`, an error is also one
object on standard output: `{"schema_version": 1, "error": {"code", "message", "hint"}}`.

| exit code | meaning |
|---|---|
| 0 | done |
| 1 | failed |
| 2 | wrong usage, or a request that cannot be served as it is |
| 3 | unhealthy: `cwai doctor` found something that must be fixed |
| 4 | not available on this machine, or in this version |
| 5 | no host runs, or it does not answer (any more) |
| 130 | interrupted by Ctrl-C or SIGTERM |

`cwai exec` without `--use-windows-ai` ends with the exit code of `codex exec`.
"""


def commands() -> Iterator[tuple[str, ...]]:
    """Every command, a group before the commands in it."""
    from typer.main import get_command

    from codex_windows_ai.cli.main import app

    waiting = [((), get_command(app))]
    while waiting:
        path, command = waiting.pop()
        yield path
        children = getattr(command, "commands", {})
        waiting += [((*path, name), child) for name, child in reversed(children.items())]


def help_text(command: tuple[str, ...]) -> str:
    """What `cwai COMMAND --help` prints on a plain terminal of 80 columns."""
    ran = subprocess.run(
        [sys.executable, "-m", "codex_windows_ai.cli", *command, "--help"],
        capture_output=True,
        encoding="utf-8",
        check=True,
        env=os.environ | {"COLUMNS": "80", "TERMINAL_WIDTH": "80", "NO_COLOR": "1"},
    )
    return "\n".join(line.rstrip() for line in ran.stdout.strip().splitlines())


def reference() -> str:
    """The whole page."""
    sections = [f"## {' '.join(('cwai', *path))}\n\n```text\n{help_text(path)}\n```\n" for path in commands()]
    return "\n".join([HEADER, *sections])


def main() -> int:
    text = reference()
    if "--check" in sys.argv[1:]:
        current = REFERENCE.is_file() and REFERENCE.read_text(encoding="utf-8") == text
        if not current:
            print(f"{REFERENCE} is not current: run python scripts/generate_cli_reference.py", file=sys.stderr)
        return 0 if current else 1
    REFERENCE.write_text(text, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
