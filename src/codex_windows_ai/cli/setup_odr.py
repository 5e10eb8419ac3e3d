"""`cwai setup odr`: the on-device agent registry of Windows."""

from __future__ import annotations

import json
import sys
import sysconfig
from pathlib import Path
from typing import Annotated, Any

import typer

from codex_windows_ai.cli.output import say, write, write_json

app = typer.Typer(help="The on-device agent registry of Windows: agents find the host's tools there.")

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def manifest(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", metavar="FILE", help="Write it there instead of printing it.")
    ] = None,
) -> None:
    """Print the manifest of our MCP server as Windows registers it; the host is started if none runs."""
    text = json.dumps(_build(), indent=2, ensure_ascii=False) + "\n"
    if output is None:
        write(text)
        return
    output.write_text(text, encoding="utf-8")
    say(f"cwai: wrote {output}; `mcpb validate` checks it")


@app.command()
def add() -> None:
    """Register our MCP server."""
    from codex_windows_ai.agents.agent_registry import IDENTIFIER, AgentRegistry
    from codex_windows_ai.models.storage import make_folder
    from codex_windows_ai.settings import state_folder

    registry = AgentRegistry()
    make_folder(state_folder())
    file = state_folder() / "odr-manifest.json"  # kept: the registry may read it again
    file.write_text(json.dumps(_build(), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    registry.add(file)
    say(f"cwai: registered {IDENTIFIER}; `cwai setup odr remove` takes it out again")


@app.command("list")
def list_servers(as_json: JsonOption = False) -> None:
    """List every MCP server that the registry knows."""
    from codex_windows_ai.agents.agent_registry import AgentRegistry

    servers = AgentRegistry().list()
    if as_json:
        entries: list[dict[str, Any]] = [
            {"identifier": server.identifier, "name": server.name, "command": list(server.command)}
            for server in servers
        ]
        write_json({"servers": entries})
        return
    for server in servers:
        write(f"{server.identifier}  {server.name}\n")


@app.command()
def remove(
    identifier: Annotated[
        str | None, typer.Argument(metavar="IDENTIFIER", help="From `cwai setup odr list`; by default our own.")
    ] = None,
) -> None:
    """Take an MCP server out of the registry."""
    from codex_windows_ai.agents.agent_registry import IDENTIFIER, AgentRegistry
    from codex_windows_ai.errors import InvalidRequestError

    registry = AgentRegistry()
    if identifier is None:
        # The registry makes up identifiers of its own for the names of servers.
        ours = [server.identifier for server in registry.list() if server.name == IDENTIFIER]
        if not ours:
            raise InvalidRequestError(f"The registry does not have {IDENTIFIER}.")
        identifier = ours[0]
    registry.remove(identifier)
    say(f"cwai: removed {identifier}")


def _build() -> dict[str, Any]:
    from codex_windows_ai.agents.agent_registry import ask_server, build_manifest

    program = Path(sysconfig.get_path("scripts")) / ("cwai.exe" if sys.platform == "win32" else "cwai")
    start = [str(program)] if program.is_file() else [sys.executable, "-m", "codex_windows_ai.cli"]
    command = [*start, "mcp"]
    return build_manifest(command, ask_server(command))
