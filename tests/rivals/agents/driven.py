"""How each agent is driven without a terminal: its arguments, and the tool with which it writes a file."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.codex_cli.scripted import function_call

TEXT = "written by an agent"


@dataclass(frozen=True)
class Driven:
    """An agent's arguments for one prompt, and for one more in the same session; `tool` writes a file.

    `too_long` and `gone` are what its user reads where the prompt does not fit, and where no host listens; None where
    it goes round without end (opencode, Kilo), or says nothing (pi). Without `go_on` it goes on in a terminal alone.
    """

    name: str
    ask: Callable[[str], list[str]]
    go_on: Callable[[str], list[str]] | None
    tool: str
    arguments: Callable[[Path], dict[str, Any]]
    too_long: str | None
    gone: str | None

    def call(self, file: Path) -> str:
        """The call that writes TEXT, as the model says it."""
        return function_call(self.tool, **self.arguments(file))


def _as(path: str, content: str) -> Callable[[Path], dict[str, Any]]:
    return lambda file: {path: str(file), content: TEXT}


def _content_first(file: Path) -> dict[str, Any]:
    """In the order of opencode's schema, which the grammar of a call holds to."""
    return {"content": TEXT, "filePath": str(file)}


DRIVEN = (
    Driven(
        "claude-code",
        lambda prompt: ["--permission-mode", "acceptEdits", "-p", prompt],
        lambda prompt: ["--permission-mode", "acceptEdits", "--continue", "-p", prompt],
        "Write",
        _as("file_path", "content"),
        "Prompt is too long",
        "Connection",
    ),
    Driven(
        "opencode",
        lambda prompt: ["run", prompt],
        lambda prompt: ["run", "--continue", prompt],
        "write",
        _content_first,
        None,
        None,
    ),
    Driven(
        "qwen-code",
        lambda prompt: ["--yolo", "-p", prompt],
        lambda prompt: ["--yolo", "--continue", "-p", prompt],
        "write_file",
        _as("file_path", "content"),
        "Context is too large",
        "Connection error",
    ),
    Driven(
        "pi",
        lambda prompt: ["-p", prompt],
        lambda prompt: ["--continue", "-p", prompt],
        "write",
        _as("path", "content"),
        None,
        "Connection error",
    ),
    Driven(
        "continue",
        lambda prompt: ["--auto", "-p", prompt],
        lambda prompt: ["--auto", "--resume", "-p", prompt],
        "Write",
        _as("filepath", "content"),
        "Context length exceeded",
        "Connection error",
    ),
    Driven(
        "cline",
        lambda prompt: [prompt],
        None,
        "editor",
        _as("path", "new_text"),
        None,
        "connect",
    ),
    Driven(
        "kilo",
        lambda prompt: ["run", "--auto", prompt],
        lambda prompt: ["run", "--auto", "--continue", prompt],
        "write",
        _content_first,
        None,
        None,
    ),
    Driven(
        "copilot",
        lambda prompt: ["--allow-all-tools", "-p", prompt],
        lambda prompt: ["--allow-all-tools", "--continue", "-p", prompt],
        "create",
        _as("path", "file_text"),
        "usable context budget",
        "connect",
    ),
    Driven(
        "codex",  # what it says when it fails: tests/codex_cli/test_failures.py
        lambda prompt: ["exec", "--skip-git-repo-check", "--sandbox", "danger-full-access", prompt],
        lambda prompt: ["exec", "--skip-git-repo-check", "--sandbox", "danger-full-access", "resume", "--last", prompt],
        "exec_command",
        lambda file: {"cmd": f"printf '{TEXT}' > '{file}'"},
        None,
        None,
    ),
)
