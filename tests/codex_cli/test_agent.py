"""The MCP tools `codex` and `codex-reply`: a real MCP client, the host, the real Codex, and the host as its model."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import psutil
import pytest
from mcp.client.streamable_http import streamable_http_client

from mcp import Client
from tests.codex_cli.live import TOKEN, CodexHost
from tests.codex_cli.program import Workplace
from tests.codex_cli.scripted import function_call

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def environment(place: Workplace, monkeypatch: pytest.MonkeyPatch) -> None:
    """The host of these tests is this very process, and so is whoever starts Codex."""
    for name in ("CODEX_HOME", "CODEX_WINDOWS_AI_HOME", "HOME"):
        monkeypatch.setenv(name, place.environment[name])


@asynccontextmanager
async def client_of(host: CodexHost) -> AsyncIterator[Client]:
    async with (
        httpx2.AsyncClient(headers={"authorization": f"Bearer {TOKEN}"}, timeout=90) as http,
        Client(streamable_http_client(f"{host.url}/mcp", http_client=http)) as client,
    ):
        yield client


def task(place: Workplace, prompt: str, **arguments: Any) -> dict[str, Any]:
    return {"prompt": prompt, "cwd": str(place.folder), "use-windows-ai": True, **arguments}


async def test_codex_does_a_task_in_its_sandbox_and_a_reply_goes_on_in_another_process(place: Workplace) -> None:
    place.host.begin(function_call("exec_command", cmd="echo done > made.txt"), "Made it.", "And again.")
    async with client_of(place.host) as client:
        first = await client.call_tool("codex", task(place, "Make a file.", sandbox="workspace-write"))
        assert first.structured_content, first
        assert first.structured_content["content"] == "Made it."
        assert (place.folder / "made.txt").read_text(encoding="utf-8") == "done\n"

        thread = first.structured_content["threadId"]
        second = await client.call_tool("codex-reply", {"threadId": thread, "prompt": "Go on."})

    assert second.structured_content == {"threadId": thread, "content": "And again."}
    said = [part["text"] for item in place.host.asked[2].body["input"] for part in item.get("content", [])]
    assert {"Make a file.", "Made it.", "Go on."} <= set(said)


async def test_without_a_writable_sandbox_nothing_is_written_and_nobody_approves(place: Workplace) -> None:
    place.host.begin(function_call("exec_command", cmd="echo done > made.txt"), "I could not.")
    async with client_of(place.host) as client:
        result = await client.call_tool("codex", task(place, "Make a file.", sandbox="read-only"))

    assert result.structured_content and result.structured_content["content"] == "I could not."
    assert not (place.folder / "made.txt").exists()


async def test_what_codex_does_is_reported_as_progress(place: Workplace) -> None:
    place.host.begin(function_call("exec_command", cmd="sleep 2.5"), "Slept.")
    messages: list[str | None] = []

    async def keep(progress: float, total: float | None, message: str | None) -> None:
        messages.append(message)

    async with client_of(place.host) as client:
        await client.call_tool("codex", task(place, "Sleep."), progress_callback=keep)

    assert any("sleep 2.5" in (message or "") for message in messages), messages


async def test_a_cancelled_call_ends_codex_and_what_it_runs(place: Workplace, tmp_path: Path) -> None:
    """The command ends before it can write its second file, although Codex waits ten seconds for it at least."""
    place.host.begin(function_call("exec_command", cmd=f"echo $$ > {tmp_path}/began; sleep 60; touch {tmp_path}/ended"))
    async with client_of(place.host) as client:
        with anyio.fail_after(60):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.call_tool, "codex", task(place, "Wait.", sandbox="danger-full-access"))
                while not (tmp_path / "began").exists() or not (tmp_path / "began").read_text(encoding="utf-8"):
                    await anyio.sleep(0.05)
                shell = int((tmp_path / "began").read_text(encoding="utf-8"))
                tasks.cancel_scope.cancel()
            while psutil.pid_exists(shell):  # fails with the deadline if it goes on
                await anyio.sleep(0.05)

        place.host.begin("Back again.")
        result = await client.call_tool("codex", task(place, "Hello?"))

    assert result.structured_content and result.structured_content["content"] == "Back again."
    assert len(place.host.asked) == 1
    assert not (tmp_path / "ended").exists()


async def test_a_failed_turn_and_an_unknown_thread_say_why(place: Workplace) -> None:
    async with client_of(place.host) as client:
        failed = await client.call_tool("codex", task(place, "x" * 40_000))
        unknown = await client.call_tool(
            "codex-reply", {"threadId": "01a20559-2d37-7530-942e-3828b003871d", "prompt": "Go on."}
        )

    assert failed.is_error and "window" in failed.content[0].text
    assert unknown.is_error and "01a20559-2d37-7530-942e-3828b003871d" in unknown.content[0].text
