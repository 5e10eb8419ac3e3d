"""The MCP configuration of other agents: VS Code, Claude Code, Cursor.

All start `cwai mcp`, the proxy to the host: it finds or starts the host, so neither a port nor a token is written.
Formats: https://code.visualstudio.com/docs/copilot/reference/mcp-configuration,
https://docs.claude.com/en/docs/claude-code/mcp, https://docs.cursor.com/context/mcp.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

EditorName = Literal["vscode", "claude-code", "cursor"]
SERVER = "windows-ai"


@dataclass(frozen=True, slots=True)
class Editor:
    """Where an agent keeps its MCP servers: a JSON file, the object and name of our entry, and the entry."""

    title: str
    file: Path
    entry: tuple[str, str]
    server: dict[str, Any]


def editor(name: EditorName) -> Editor:
    """The configuration of one agent for the current user."""
    command = {"command": sys.executable, "args": ["-m", "codex_windows_ai.cli", "mcp"]}
    stdio = {"type": "stdio", **command}
    if name == "vscode":
        return Editor("VS Code", _code_folder() / "User" / "mcp.json", ("servers", SERVER), stdio)
    if name == "claude-code":
        return Editor("Claude Code", Path.home() / ".claude.json", ("mcpServers", SERVER), stdio)
    return Editor("Cursor", Path.home() / ".cursor" / "mcp.json", ("mcpServers", SERVER), command)


def _code_folder() -> Path:
    """VS Code's folder of user data."""
    home = Path.home()
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or home / "AppData" / "Roaming") / "Code"
    if sys.platform == "darwin":
        return home / "Library" / "Application Support" / "Code"
    return Path(os.environ.get("XDG_CONFIG_HOME") or home / ".config") / "Code"
