"""The Codex profile `windows-ai`: Codex on the model of this machine, with a prompt that a small model can read.

Codex layers `$CODEX_HOME/NAME.config.toml` over the user's own `config.toml` for `codex -p NAME`; the same settings
go as `-c KEY=VALUE` to a Codex that `cwai codex` starts. Keys observed with Codex 0.163 and 0.169 under
`--strict-config`. Codex finds the host by its address and asks `cwai token` for the token, which starts a host that is
not running: no secret is in the profile, and neither a restart of the host nor a new token changes it.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

PROFILE = "windows-ai"
"""The name of the profile, of its model provider and of its MCP server."""

TOOLS_PROFILE = "windows-ai-tools"
"""The profile that only adds our MCP server: the user's own model answers."""

# `generate` would let the model ask itself; `codex` would let Codex start Codex.
_MCP_TOOLS = ("gpu_stats", "invoke_action", "list_actions", "optimized_path")
_TOKEN_SECONDS = 60
"""How long Codex waits for the token: a host may have to start, which loads Python but no model."""
_TOOL_SECONDS = 300

_LOCATIONS = ("CODEX_WINDOWS_AI_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")

Settings = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CodexModel:
    """What Codex has to know of the host: where it is (`http://127.0.0.1:PORT`) and which model it serves."""

    url: str
    model: str
    catalogue: Path
    tools: bool
    """Whether the model is offered tools, Codex's and ours; one that is too small for them would only call."""


def codex_home() -> Path:
    """The folder of Codex's configuration: `CODEX_HOME`, else `.codex` in the user's home."""
    given = os.environ.get("CODEX_HOME")
    return Path(given) if given else Path.home() / ".codex"


def token_command(*options: str) -> list[str]:
    """The command that prints the host's token; it names this very installation, on PATH or not.

    Codex runs a headers helper with a handful of variables (HOME, PATH, LANG, SHELL, TERM), so those that say where
    our files are go along.
    """
    where = [part for name in _LOCATIONS if (value := os.environ.get(name)) for part in ("--env", f"{name}={value}")]
    return [sys.executable, "-m", "codex_windows_ai.cli", "token", *where, *options]


def profile_settings(served: CodexModel) -> Settings:
    """Codex's settings with which the model of this machine answers and nothing leaves the machine.

    What is switched off is either of no use to a small model (each tool costs it part of its window) or asks a
    service of OpenAI's or GitHub's: analytics and plugins do so without a login (measured with Codex 0.169).
    """
    command, *arguments = token_command()
    return {
        "model": served.model,
        "model_provider": PROFILE,
        "model_catalog_json": str(served.catalogue),
        "web_search": "disabled",
        "include_permissions_instructions": False,
        "include_apps_instructions": False,
        "include_collaboration_mode_instructions": False,
        "check_for_update_on_startup": False,
        "model_providers": {
            PROFILE: {
                "name": "Windows AI (on this PC)",
                "base_url": f"{served.url}/v1",
                "wire_api": "responses",
                "auth": {"command": command, "args": arguments, "timeout_ms": _TOKEN_SECONDS * 1000},
            }
        },
        "analytics": {"enabled": False},
        "skills": {"include_instructions": False, "bundled": {"enabled": False}},
        "agents": {"enabled": False},
        "tools": {"experimental_request_user_input": {"enabled": False}},
        "features": {
            "goals": False,
            "view_image": False,
            "plugins": False,
            "apps": False,
            # A host that does not come back is an error after half a minute, not a wait for ever.
            "unbounded_connection_retries": False,
        },
        "mcp_servers": {
            # The terminal interface's own server: twelve tools and a request for a title beside the first answer.
            "codex_tui": {"command": "unused", "enabled": False},
            PROFILE: _mcp_server(served.url) | {"enabled": served.tools, "enabled_tools": list(_MCP_TOOLS)},
        },
    }


def tools_profile_settings(url: str) -> Settings:
    """Codex's settings that add our MCP server to whatever the user has configured."""
    return {
        "mcp_servers": {PROFILE: _mcp_server(url) | {"enabled_tools": ["generate", *_MCP_TOOLS]}},
    }


def _mcp_server(url: str) -> Settings:
    return {
        "url": f"{url}/mcp",
        "http_headers_helper": _shell_line(token_command("--headers")),
        # Codex gives a server that is not required a second, then goes on without its tools and says nothing.
        "required": True,
        # Codex's `exec` cannot ask anybody; every tool of ours says itself whether it only reads.
        "default_tools_approval_mode": "approve",
        "tool_timeout_sec": _TOOL_SECONDS,
    }


def _shell_line(command: Sequence[str]) -> str:
    """One line for the platform's shell, through which Codex runs a headers helper."""
    return subprocess.list2cmdline(command) if sys.platform == "win32" else shlex.join(command)


def profile_text(settings: Settings, *, heading: str) -> str:
    """The settings as a TOML file below a comment."""
    import tomlkit

    document = tomlkit.document()
    for line in heading.splitlines():
        document.add(tomlkit.comment(line))
    document.add(tomlkit.nl())
    for name, value in settings.items():
        document.add(name, value)
    return tomlkit.dumps(document)


def as_overrides(settings: Settings) -> list[str]:
    """The settings as `KEY=VALUE`, the value in TOML: what any `codex` command takes behind `-c`."""
    import tomlkit

    # A document of one key, so that the library writes the value in full.
    return [
        f"{'.'.join(path)}={tomlkit.dumps({'x': value}).strip().removeprefix('x = ')}"
        for path, value in _leaves(settings)
    ]


def _leaves(settings: Mapping[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _leaves(cast("Settings", value), (*above, name))
        else:
            yield (*above, name), value
