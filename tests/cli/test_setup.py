"""`cwai setup` for the MCP clients; Codex's is in tests/codex_cli."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.cli.program import Ran, cwai

FILES = {"vscode": ".config/Code/User/mcp.json", "claude-code": ".claude.json", "cursor": ".cursor/mcp.json"}
SECTIONS = {"vscode": "servers", "claude-code": "mcpServers", "cursor": "mcpServers"}


def setup(home: Path, *arguments: str) -> Ran:
    variables = {"HOME": str(home), "XDG_CONFIG_HOME": ""}
    return cwai("setup", *arguments, home=home / "ours", environment=variables)


@pytest.mark.parametrize("client", FILES)
def test_without_write_the_configuration_is_printed_and_nothing_changes(client: str, tmp_path: Path) -> None:
    ran = setup(tmp_path, client)

    server = json.loads(ran.stdout)[SECTIONS[client]]["windows-ai"]
    assert (server["command"], server["args"][-1]) == (sys.executable, "mcp")
    assert FILES[client] in ran.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("client", FILES)
def test_write_adds_the_entry_and_restore_gives_the_very_bytes_back(client: str, tmp_path: Path) -> None:
    file = tmp_path / FILES[client]
    file.parent.mkdir(parents=True, exist_ok=True)
    original = b'{\n\t"other": {"kept": [1, 2]}\n}'
    file.write_bytes(original)

    written = setup(tmp_path, client, "--write")
    assert written.exit_code == 0, written.stderr
    assert "+" in written.stdout
    document = json.loads(file.read_bytes())
    assert document["other"] == {"kept": [1, 2]}
    assert "windows-ai" in document[SECTIONS[client]]
    assert setup(tmp_path, client, "--write").stdout == ""

    assert setup(tmp_path, client, "restore").exit_code == 0
    assert file.read_bytes() == original


def test_a_file_with_comments_is_left_alone_and_named(tmp_path: Path) -> None:
    file = tmp_path / FILES["vscode"]
    file.parent.mkdir(parents=True)
    file.write_text('{\n  // my servers\n  "servers": {}\n}\n', encoding="utf-8")

    ran = setup(tmp_path, "vscode", "--write")

    assert ran.exit_code == 1
    assert "mcp.json is not plain JSON" in ran.stderr
    assert "// my servers" in file.read_text(encoding="utf-8")


def test_what_was_changed_is_told_as_json(tmp_path: Path) -> None:
    document = json.loads(setup(tmp_path, "cursor", "--write", "--json").stdout)

    assert (document["schema_version"], document["made"]) == (1, True)
    assert document["changes"][0]["path"] == str(tmp_path / FILES["cursor"])
