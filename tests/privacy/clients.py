"""Clients of a host that runs, each of which asks once and ends: `python -m tests.privacy.clients KIND`."""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

import anyio
import httpx2
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client

from tests.cli.program import COMMAND
from tests.served import PATIENCE, read_host_file

SHORT = {"prompt": "the", "max_output_tokens": 2}
HELLO = [{"role": "user", "content": "hi"}]


def connect() -> tuple[str, httpx2.AsyncClient]:
    """The host's address, and a client that has its token."""
    record = read_host_file(Path(os.environ["CODEX_WINDOWS_AI_HOME"]))
    assert record is not None
    headers = {"authorization": f"Bearer {Path(record['token_file']).read_text(encoding='utf-8').strip()}"}
    return record["url"], httpx2.AsyncClient(headers=headers, timeout=PATIENCE, trust_env=False)


async def ask_over_http() -> None:
    """Every door that answers, and every page that shows something."""
    url, client = connect()
    async with client as http:
        bodies = {
            "/v1/chat/completions": {"model": "tiny", "messages": HELLO, "max_tokens": 2},
            "/v1/responses": {"model": "tiny", "input": "hi", "max_output_tokens": 2},
            "/generate": {"messages": HELLO, "max_output_tokens": 2},
        }
        for path, body in bodies.items():
            (await http.post(url + path, json=body)).raise_for_status()
        for path in ("/", "/health", "/v1/models", "/status", "/statistics", "/metrics"):
            (await http.get(url + path)).raise_for_status()
        async with Client(streamable_http_client(f"{url}/mcp", http_client=http)) as mcp:
            await use(mcp)


async def ask_over_stdio() -> None:
    """`cwai mcp`, as an editor starts it."""
    program = StdioServerParameters(command=COMMAND[0], args=[*COMMAND[1:], "mcp"], env=dict(os.environ))
    async with Client(stdio_client(program)) as mcp:
        await use(mcp)


async def use(mcp: Client) -> None:
    """Every tool that only reads, and an answer."""
    await mcp.list_tools()
    await mcp.list_resources()
    for name, arguments in (("gpu_stats", {}), ("optimized_path", {}), ("list_actions", {}), ("generate", SHORT)):
        await mcp.call_tool(name, arguments)


async def have_codex_do_a_task() -> None:
    """The MCP tool `codex`, with this machine's model."""
    url, client = connect()
    task = {"prompt": "hi", "cwd": str(Path.cwd()), "use-windows-ai": True}
    async with client as http, Client(streamable_http_client(f"{url}/mcp", http_client=http)) as mcp:
        answer = await mcp.call_tool("codex", task)
    assert not answer.is_error, answer.content


KINDS: Mapping[str, Callable[[], Awaitable[None]]] = {
    "http": ask_over_http,
    "stdio": ask_over_stdio,
    "codex": have_codex_do_a_task,
}

if __name__ == "__main__":
    anyio.run(KINDS[sys.argv[1]])
