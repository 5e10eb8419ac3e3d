"""Short functions: no more than a screen shows at once."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "src" / "codex_windows_ai"
LIMIT = 60

# Functions that are longer, with the reason. The list may only shrink.
JUSTIFIED: dict[str, str] = {
    "cli/bench.py:command": "Typer reads the command's options from its parameters, each with its help",
    "cli/exec.py:command": "Typer reads the command's options from its parameters, each with its help",
}


def functions() -> Iterator[tuple[str, int]]:
    """Each function as FILE:NAME, and its lines from `def` to its end; decorators do not count."""
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                yield f"{file.relative_to(SOURCE).as_posix()}:{node.name}", node.end_lineno - node.lineno + 1


def test_no_function_is_longer_than_the_limit_unless_justified_and_no_justification_is_stale() -> None:
    found = list(functions())
    long = {name for name, lines in found if lines > LIMIT}

    assert found, "no source files were found"
    assert long == set(JUSTIFIED)
