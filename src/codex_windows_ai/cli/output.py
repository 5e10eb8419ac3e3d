"""What the command line writes: answers to standard output, everything else to standard error."""

from __future__ import annotations

import contextlib
import json
import sys
from typing import TYPE_CHECKING, Any, TextIO

if TYPE_CHECKING:
    from codex_windows_ai.errors import WindowsAiError

SCHEMA_VERSION = 1


def prepare_streams() -> None:
    """Make both streams UTF-8: a pipe on Windows would otherwise get the console's legacy code page.

    A terminal keeps its own encoding, and shows a character that it does not have as `?`.
    """
    for stream in (sys.stdout, sys.stderr):
        # A stream that a caller replaced (a test's buffer) has no encoding to set.
        if reconfigure := getattr(stream, "reconfigure", None):
            if is_terminal(stream):
                reconfigure(errors="replace")
            else:
                reconfigure(encoding="utf-8", errors="replace")


def is_terminal(stream: TextIO | None) -> bool:
    """Whether a person reads (or types into) this stream directly."""
    return stream is not None and stream.isatty()


def write(text: str) -> None:
    """Write a piece of an answer to standard output at once."""
    sys.stdout.write(text)
    sys.stdout.flush()


def say_piece(text: str) -> None:
    """Write a piece of a line to standard error at once; as `say`."""
    with contextlib.suppress(OSError):
        print(text, end="", file=sys.stderr, flush=True)


def write_json(fields: dict[str, Any]) -> None:
    """Write one JSON object, with its schema version first, to standard output."""
    document = {"schema_version": SCHEMA_VERSION, **fields}
    write(json.dumps(document, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def say(text: str) -> None:
    """Write one line to standard error; that nobody takes it, or the disk is full, ends nothing."""
    with contextlib.suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def report_error(error: WindowsAiError, *, as_json: bool) -> None:
    """Say what went wrong and what to do about it; with `as_json` also as an object on standard output."""
    say(f"cwai: {error.message}")
    if error.hint:
        say(f"hint: {error.hint}")
    if as_json:
        write_json({"error": {"code": error.code, "message": error.message, "hint": error.hint}})


def bytes_text(size: int) -> str:
    """A size in bytes as a person reads it: `98.4 MB`."""
    value = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if value < 1000:
            return f"{value:.0f} B" if unit == "B" else f"{value:.1f} {unit}"
        value /= 1000
    return f"{value:.1f} TB"
