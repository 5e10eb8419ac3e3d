"""The on-device agent registry of Windows (ODR): our MCP server, findable by every agent on the PC.

The registry is only reachable through `odr.exe` (https://learn.microsoft.com/windows/ai/mcp/odr-tool, a preview; its
output changed in March 2026 and both forms are read). What is registered is an MCP bundle's manifest
(https://github.com/anthropics/mcpb/blob/main/MANIFEST.md) with an extension of Windows: the server's own answers to
`initialize` and `tools/list`. Windows compares them with what the server answers later, so they are taken from the
running server, word for word.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import metadata
from pathlib import Path, PureWindowsPath
from typing import Any, cast

from codex_windows_ai.errors import InvalidRequestError, NotAvailableError
from codex_windows_ai.protocol.json_values import as_object, object_in

__all__ = [
    "IDENTIFIER",
    "AgentRegistry",
    "RegisteredServer",
    "ServerReplies",
    "ask_server",
    "build_manifest",
    "check_manifest",
]

IDENTIFIER = "codex-windows-ai"

_MANIFEST_VERSION = "0.3"
_EXTENSION = "com.microsoft.windows"
_PROTOCOL_VERSION = "2025-06-18"
_SECONDS_FOR_SERVER = 60.0
_SECONDS_FOR_REGISTRY = 120.0


@dataclass(frozen=True, slots=True)
class ServerReplies:
    """The results that a running server gave, as parsed JSON; the order of keys is the server's own."""

    initialize: dict[str, Any]
    tools_list: dict[str, Any]


def ask_server(command: Sequence[str], *, timeout: float = _SECONDS_FOR_SERVER) -> ServerReplies:
    """Starts an MCP server that speaks over standard input and output, and asks it who it is and what it has.

    Raises NotAvailableError: it does not start, does not answer in time, or answers with an error.
    """
    client = {"name": IDENTIFIER, "version": metadata("codex-windows-ai")["Version"]}
    hello = {"protocolVersion": _PROTOCOL_VERSION, "capabilities": {}, "clientInfo": client}
    messages = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
    ]
    asked = "".join(json.dumps(message) + "\n" for message in messages)
    program = " ".join(command)
    try:
        # The server answers what it has read and ends with its input.
        ran = subprocess.run(command, input=asked.encode(), capture_output=True, timeout=timeout, check=False)
    except OSError as error:
        raise NotAvailableError(f"The MCP server `{program}` does not start: {error.strerror or error}.") from error
    except subprocess.TimeoutExpired as error:
        raise NotAvailableError(f"The MCP server `{program}` did not answer within {timeout:g} s.") from error
    replies: dict[Any, dict[str, Any]] = {}
    for line in ran.stdout.splitlines():
        reply = object_in(line) or {}
        replies[reply.get("id")] = reply
    return ServerReplies(_result(replies, 1, program, ran.stderr), _result(replies, 2, program, ran.stderr))


def _result(replies: dict[Any, dict[str, Any]], number: int, program: str, said: bytes) -> dict[str, Any]:
    reply = replies.get(number, {})
    if isinstance(reply.get("result"), dict):
        return cast("dict[str, Any]", reply["result"])
    why = str(reply.get("error") or said.decode(errors="replace").strip() or "it said nothing")
    raise NotAvailableError(f"The MCP server `{program}` did not answer as it should: {why}")


def build_manifest(command: Sequence[str], replies: ServerReplies) -> dict[str, Any]:
    """The manifest of a server that `command` starts and that answered with `replies`.

    Raises InvalidRequestError: Windows would refuse it, for example a server without tools.
    """
    about = metadata("codex-windows-ai")
    program, *arguments = command
    tools = cast("list[dict[str, Any]]", replies.tools_list.get("tools", []))
    manifest: dict[str, Any] = {
        "manifest_version": _MANIFEST_VERSION,
        "name": IDENTIFIER,
        "display_name": "codex-windows-ai",
        "version": about["Version"],
        "description": about["Summary"],
        "author": {"name": "The codex-windows-ai authors"},
        "license": "Apache-2.0",
        "server": {
            "type": "binary",
            "entry_point": PureWindowsPath(program).name,
            "mcp_config": {"command": program, "args": arguments, "env": {}},
        },
        "tools": [{"name": tool["name"], "description": tool.get("description", "")} for tool in tools],
        "compatibility": {"platforms": ["win32"]},
        "_meta": {
            _EXTENSION: {"static_responses": {"initialize": replies.initialize, "tools/list": replies.tools_list}}
        },
    }
    problems = check_manifest(manifest)
    if problems:
        raise InvalidRequestError(f"Windows would refuse the manifest: {'; '.join(problems)}.")
    return manifest


def check_manifest(manifest: dict[str, Any]) -> list[str]:
    """What Windows' registry would refuse in a manifest; `mcpb validate` does not look into `_meta`."""
    problems = [
        f"`{'.'.join(path)}` is missing or is no {kind.__name__}"
        for path, kind in _REQUIRED
        if not isinstance(_at(manifest, path), kind)
    ]
    if _at(manifest, ("server", "type")) != "binary":
        problems.append("`server.type` must be `binary`")
    listed = cast("list[dict[str, Any]]", _at(manifest, (*_RESPONSES, "tools/list", "tools")) or [])
    declared = cast("list[dict[str, Any]]", manifest.get("tools", []))
    if not listed:
        problems.append("the server has no tools")
    for tool in listed:
        missing = [key for key in ("name", "description", "inputSchema") if not tool.get(key)]
        problems += [f"the tool {tool.get('name', '?')!r} has no `{key}`" for key in missing]
    if [tool.get("name") for tool in declared] != [tool.get("name") for tool in listed]:
        problems.append("`tools` and the answer to `tools/list` name different tools")
    return problems


_RESPONSES = ("_meta", _EXTENSION, "static_responses")
_REQUIRED: tuple[tuple[tuple[str, ...], type], ...] = (
    (("manifest_version",), str),
    (("name",), str),
    (("version",), str),
    (("description",), str),
    (("author", "name"), str),
    (("server", "entry_point"), str),
    (("server", "mcp_config", "command"), str),
    (("server", "mcp_config", "args"), list),
    ((*_RESPONSES, "initialize", "protocolVersion"), str),
    ((*_RESPONSES, "initialize", "capabilities"), dict),
    ((*_RESPONSES, "initialize", "serverInfo", "name"), str),
    ((*_RESPONSES, "initialize", "serverInfo", "version"), str),
    ((*_RESPONSES, "tools/list", "tools"), list),
)


def _at(manifest: dict[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = manifest
    for part in path:
        value = as_object(value).get(part)
    return value


@dataclass(frozen=True, slots=True)
class RegisteredServer:
    """An MCP server that the registry knows. `command` starts it, through Windows' proxy where there is one."""

    identifier: str
    name: str
    command: tuple[str, ...]


class AgentRegistry:
    """The registry of this PC.

    Raises NotAvailableError: this Windows has no `odr.exe`.
    """

    def __init__(self, executable: str | None = None) -> None:
        found = executable or shutil.which("odr.exe")
        if found is None:
            raise NotAvailableError(
                "This PC has no on-device agent registry: there is no odr.exe.",
                hint="It came with Windows 11 build 26220.7344, as a preview that not every PC has; "
                "other MCP clients are set up with `cwai setup vscode` and its like.",
            )
        self._executable = found

    def list(self) -> list[RegisteredServer]:
        """Every registered MCP server.

        Raises NotAvailableError: the registry fails, or answers in a form that this version does not know.
        """
        answer = self._run("mcp", "list")
        try:
            document = json.loads(answer)
            if isinstance(document, list):
                return [_first_generation(entry) for entry in cast("list[Any]", document)]
            servers: list[Any] = document["structuredContent"]["servers"]
            return [self._second_generation(entry) for entry in servers]
        except (ValueError, LookupError, TypeError, AttributeError) as error:
            raise NotAvailableError(
                f"odr.exe lists its servers in a form that this version does not know: {answer[:200]!r}."
            ) from error

    def add(self, manifest: Path) -> None:
        """Registers the server of a manifest file.

        Raises NotAvailableError: the registry refuses it.
        """
        self._run("mcp", "add", str(manifest))

    def remove(self, identifier: str) -> None:
        """Takes a server out of the registry.

        Raises InvalidRequestError: it is not in there. NotAvailableError: the registry fails.
        """
        known = [server.identifier for server in self.list()]
        if identifier not in known:
            names = ", ".join(known) or "none"
            raise InvalidRequestError(f"The registry has no server {identifier!r}; it has: {names}.")
        self._run("mcp", "remove", identifier)

    def _second_generation(self, entry: dict[str, Any]) -> RegisteredServer:
        server = entry["server"]
        identifier = str(server["packages"][0]["identifier"])
        command = (self._executable, "mcp", "run", "--proxy", identifier)
        return RegisteredServer(identifier, str(server["name"]), command)

    def _run(self, *arguments: str) -> str:
        try:
            ran = subprocess.run(
                [self._executable, *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_SECONDS_FOR_REGISTRY,
                check=False,
            )
        except OSError as error:
            raise NotAvailableError(f"odr.exe does not start: {error.strerror or error}.") from error
        except subprocess.TimeoutExpired as error:
            raise NotAvailableError(f"odr.exe did not answer within {_SECONDS_FOR_REGISTRY:g} s.") from error
        output, errors = (text.decode("utf-8", errors="replace").strip() for text in (ran.stdout, ran.stderr))
        if ran.returncode:
            said = (errors or output or "it said nothing").rstrip(".")
            raise NotAvailableError(
                f"`odr {' '.join(arguments)}` ended with {ran.returncode}: {said}.",
                hint="Bundles of apps without package identity need: Settings > System > Advanced > AI components > "
                "Reduce protections for agent connectors.",
            )
        return output


def _first_generation(entry: dict[str, Any]) -> RegisteredServer:
    """Before March 2026: the manifest itself, with what starts the server."""
    manifest = entry["manifest"]
    config = manifest["server"]["mcp_config"]
    identifier = str(entry.get("id") or manifest["name"])
    return RegisteredServer(identifier, str(manifest["name"]), (str(config["command"]), *map(str, config["args"])))
