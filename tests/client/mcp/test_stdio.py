"""`cwai mcp` in processes of their own, with the SDK's client and a host that is really started and killed."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.shared.exceptions import MCPError

from tests.cli.program import COMMAND, environment_with
from tests.mcp.conftest import wait_until
from tests.served import make_home, read_host_file, stop_host_of

CLIENTS = 10
MOST_BYTES = 60 * 1024 * 1024
SHORT = {"prompt": "the", "max_output_tokens": 2}


@pytest.fixture
def home(tmp_path: Path, tiny_model_path: Path) -> Iterator[Path]:
    """A user's home in which no host runs yet; whichever runs in the end is stopped."""
    home = make_home(tmp_path / "home", tiny_model_path)
    yield home
    stop_host_of(home)


def client_of(home: Path, mode: str = "auto") -> Client:
    program = StdioServerParameters(command=COMMAND[0], args=[*COMMAND[1:], "mcp"], env=environment_with(home))
    return Client(stdio_client(program), mode=mode)


def proxies_of(home: Path) -> list[psutil.Process]:
    """The running proxies whose environment has this home."""
    proxies: list[psutil.Process] = []
    for process in psutil.Process().children(recursive=True):
        # Whoever lost the race for the host's start ends at once, and may do so while it is looked at.
        with contextlib.suppress(psutil.NoSuchProcess):
            if process.cmdline()[-1:] == ["mcp"] and process.environ().get("CODEX_WINDOWS_AI_HOME") == str(home):
                proxies.append(process)
    return proxies


def test_ten_clients_at_once_load_the_model_once_and_are_small(home: Path) -> None:
    async def use(index: int, all_here: asyncio.Barrier) -> dict[str, Any]:
        async with client_of(home, "legacy" if index % 2 else "auto") as client:
            result = await client.call_tool("generate", SHORT)
            assert not result.is_error, result.content
            async with all_here:
                sizes = [process.memory_full_info().uss for process in proxies_of(home)] if index == 0 else []
                await all_here.wait()
            return {"sizes": sizes}

    async def use_all() -> list[dict[str, Any]]:
        barrier = asyncio.Barrier(CLIENTS)
        return await asyncio.gather(*(use(index, barrier) for index in range(CLIENTS)))

    sizes = asyncio.run(use_all())[0]["sizes"]
    assert len(sizes) >= CLIENTS
    assert max(sizes) < MOST_BYTES
    log = (home / "state" / "host.log").read_text(encoding="utf-8")
    assert log.count("is loaded") == 1, log


@pytest.mark.parametrize("mode", ["legacy", "auto"])
def test_a_killed_host_fails_the_call_that_ran_and_the_next_one_is_served(home: Path, mode: str) -> None:
    async def use() -> tuple[int, int]:
        async with client_of(home, mode) as client:
            assert not (await client.call_tool("generate", SHORT)).is_error
            first = read_host_file(home)
            assert first
            host = psutil.Process(first["pid"])
            host.suspend()  # so that the call still runs when its host dies
            call = asyncio.create_task(client.call_tool("generate", SHORT))
            proxy = proxies_of(home)[-1]
            await asyncio.to_thread(wait_until, lambda: bool(proxy.net_connections()))
            host.kill()
            with pytest.raises(MCPError, match="host"):
                await call
            assert not (await client.call_tool("generate", SHORT)).is_error
            second = read_host_file(home)
            assert second
            return first["pid"], second["pid"]

    before, after = asyncio.run(use())
    assert before != after


def test_a_model_that_is_not_there_leaves_the_door_open(tmp_path: Path) -> None:
    home = make_home(tmp_path / "home", tmp_path / "absent")

    async def use() -> str:
        async with client_of(home) as client:
            assert (await client.list_tools()).tools
            result = await client.call_tool("generate", SHORT)
            assert result.is_error
            return result.content[0].text  # pyright: ignore

    try:
        assert "absent" in asyncio.run(use())
    finally:
        stop_host_of(home)


def test_it_ends_with_its_input(home: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "mcp"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment_with(home)
    ) as process:
        answer, _ = process.communicate(
            b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25",'
            b'"capabilities":{},"clientInfo":{"name":"test","version":"1"}}}\n',
            timeout=60,
        )
        assert json.loads(answer)["result"]["protocolVersion"] == "2025-11-25"
        assert process.returncode == 0


@pytest.mark.skipif(sys.platform == "win32", reason="what keeps the pipe open here is a POSIX shell's child")
def test_it_ends_with_its_parent_even_where_its_input_stays_open(home: Path) -> None:
    reads, writes = os.pipe()
    parent_code = (
        "import subprocess, sys, time;"
        f"p = subprocess.Popen({[*COMMAND, 'mcp']!r}, stdin=0, stdout=subprocess.PIPE);"
        "print(p.pid, flush=True); p.stdout.readline(); print('ready', flush=True); time.sleep(600)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent_code], stdin=reads, stdout=subprocess.PIPE, env=environment_with(home)
    ) as parent:
        assert parent.stdout
        proxy = psutil.Process(int(parent.stdout.readline()))
        os.write(writes, b"not a message\n")  # its answer shows that the proxy runs
        assert parent.stdout.readline() == b"ready\n"
        parent.send_signal(signal.SIGKILL)
    wait_until(lambda: not proxy.is_running() or proxy.status() == psutil.STATUS_ZOMBIE)
    os.close(reads)
    os.close(writes)
