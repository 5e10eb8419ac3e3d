"""What the documents print of configurations and of answers is what programs take and give."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import httpx2
import pytest

from codex_windows_ai.settings import DEFAULT_MODEL, Settings
from tests.docs.documents import Block, blocks
from tests.docs.reader import Reader
from tests.served import ServedHost

JSON = [(block, json.loads(block.text)) for block in blocks("json")]
TOML = [(block, tomllib.loads(block.text)) for block in blocks("toml")]
CLIENTS = [(block, entry) for block, entry in JSON if entry.keys() & {"servers", "mcpServers"}]
ANSWERS = [(block, entry) for block, entry in JSON if "provider" in entry]
LOOSENED = [(block, entry) for block, entry in JSON if "windows_ai" in entry]
SETTINGS = [(block, entry) for block, entry in TOML if entry.keys() <= set(Settings.model_fields)]
CODEX = [(block, entry) for block, entry in TOML if "mcp_servers" in entry]


def ids(value: object) -> str:
    return str(value) if isinstance(value, Block) else ""


def test_every_block_is_put_to_use() -> None:
    assert len(JSON) == len(CLIENTS) + len(ANSWERS) + len(LOOSENED)
    assert len(TOML) == len(SETTINGS) + len(CODEX)
    assert not blocks("json", "toml", windows_only=True)


@pytest.mark.parametrize(("block", "entry"), CLIENTS, ids=ids)
def test_the_entry_of_an_mcp_client_starts_a_server_that_answers(
    block: Block, entry: dict[str, Any], reader: Reader
) -> None:
    server = next(iter(entry.values()))["windows-ai"]
    hello = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": f"a reader of {block}", "version": "1"},
        },
    }

    said = reader.run(server["command"], *server["args"], given=json.dumps(hello) + "\n")

    assert json.loads(said)["result"]["serverInfo"]["name"] == "windows-ai"


@pytest.mark.parametrize(("block", "entry"), CODEX, ids=ids)
def test_codex_takes_the_entry_and_reaches_the_server(
    block: Block, entry: dict[str, Any], reader: Reader, served_host: ServedHost
) -> None:
    """As printed but for the port, which is another host's here; the entry makes Codex fail where it is not reached."""
    server = entry["mcp_servers"]["windows-ai"]
    assert server["required"]
    configuration = block.text.replace(server["url"], f"{served_host.url}/mcp")
    Path(reader.environment["CODEX_HOME"], "config.toml").write_text(configuration, encoding="utf-8")
    reader.environment[server["bearer_token_env_var"]] = reader.run("cwai", "token").strip()

    exec_strictly = ("exec", "--strict-config", "--skip-git-repo-check")
    said = reader.run("cwai", "codex", "--use-windows-ai", *exec_strictly, "What is the capital of France?")

    assert "Paris" in said


@pytest.mark.parametrize(("block", "entry"), SETTINGS, ids=ids)
def test_settings_are_taken(block: Block, entry: dict[str, Any], reader: Reader) -> None:
    home = reader.folder / "home"
    reader.environment["CODEX_WINDOWS_AI_HOME"] = str(home)
    file = Path(reader.run("cwai", "config", "path").strip())
    file.parent.mkdir(parents=True)
    file.write_text(block.text, encoding="utf-8")

    shown = reader.run("cwai", "config", "show")

    for name, value in entry.items():
        assert name in shown
        assert (value in shown) == (name != "limited_access_token")


def ask(host: ServedHost, **parameters: Any) -> dict[str, Any]:
    request = {"model": DEFAULT_MODEL, "messages": [{"role": "user", "content": "Hi"}], "max_tokens": 1}
    answer = httpx2.post(f"{host.url}/v1/chat/completions", headers=host.headers, json=request | parameters)
    return answer.raise_for_status().json()["windows_ai"]


@pytest.mark.parametrize(("block", "entry"), ANSWERS, ids=ids)
def test_an_answer_says_who_gave_it_as_printed(block: Block, entry: dict[str, Any], served_host: ServedHost) -> None:
    assert shape(ask(served_host)) == shape(entry)


@pytest.mark.parametrize(("block", "entry"), LOOSENED, ids=ids)
def test_an_answer_says_what_was_loosened_as_printed(
    block: Block, entry: dict[str, Any], served_host: ServedHost
) -> None:
    printed = entry["windows_ai"]["loosened"]
    parameters: list[dict[str, Any]] = [
        {"type": "array", "items": {"type": "string"}, "uniqueItems": True},
        {"type": "string", "pattern": "(?=.*[0-9]).{8,}"},
    ]
    names = ["labels", "password"]
    tools = [
        {
            "type": "function",
            "function": {"name": said["tool"], "parameters": {"type": "object", "properties": {name: schema}}},
        }
        for said, name, schema in zip(printed, names, parameters, strict=True)
    ]

    told = ask(served_host, tools=tools)["loosened"]

    assert [entry["tool"] for entry in told] == [said["tool"] for said in printed]
    for entry, said in zip(told, printed, strict=True):
        assert entry["reason"].startswith(said["reason"].removesuffix("…"))


def shape(value: Any) -> Any:
    """The names and types of an answer, whatever it says."""
    if isinstance(value, dict):
        return {name: shape(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [shape(value[0])] if value else []
    return type(value)
