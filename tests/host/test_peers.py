"""Many connections of one program are one agent."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx2
import pytest
from starlette.types import Scope

from codex_windows_ai.api.shared.identity import PEER
from codex_windows_ai.host import peers
from codex_windows_ai.host.peers import CONNECTION, owner_of
from tests.served import PATIENCE, ServedHost, make_home, serving

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="asks the kernel of Linux")

CONNECT = """
import socket, sys
client = socket.create_connection((sys.argv[1], int(sys.argv[2])))
print(client.getsockname()[1], flush=True)
input()
"""
# As Node and Java connect: by the other kind of socket.
MAPPED = CONNECT.replace("(sys.argv[1],", "('::ffff:' + sys.argv[1],")
ASK = """
import httpx2, json, sys
httpx2.post(sys.argv[1], headers=json.loads(sys.argv[2]), json=json.loads(sys.argv[3])).raise_for_status()
"""
BODY = {"model": "tiny", "messages": [{"role": "user", "content": "hello"}], "max_tokens": 1}


@pytest.mark.parametrize("likely", [[], [1], [os.getpid()]])
@pytest.mark.parametrize(("address", "program"), [("127.0.0.1", CONNECT), ("::1", CONNECT), ("127.0.0.1", MAPPED)])
def test_the_process_behind_a_connection_is_found(address: str, program: str, likely: list[int]) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as server:
        own = server.getsockname()[:2]
        with subprocess.Popen(
            [sys.executable, "-c", program, address, str(own[1])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        ) as client:
            assert client.stdout
            peer = (address, int(client.stdout.readline()))

            assert owner_of(peer, own, likely) == client.pid
            assert owner_of(peer, own, [client.pid]) == client.pid
            assert owner_of((address, 1), own, likely) is None
            client.communicate("\n", timeout=PATIENCE)


def scope_of(port: int, connection: dict[str, Any], *headers: tuple[bytes, bytes], address: str = "127.0.0.1") -> Scope:
    own = ("127.0.0.1", 8417)
    return {
        "type": "http",
        "client": (address, port),
        "server": own,
        "headers": headers,
        "state": {CONNECTION: connection},
    }


@pytest.mark.anyio
async def test_a_connection_is_looked_up_once_and_only_for_who_does_not_name_himself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_up: list[tuple[int, list[int]]] = []

    def find(peer: Any, own: Any, likely: list[int]) -> int:
        looked_up.append((peer[1], likely))
        return peer[1]

    monkeypatch.setattr(peers, "owner_of", find)
    found, connection = peers.Peers(), dict[str, Any]()
    for _ in range(3):
        scope = scope_of(1, connection)
        await found.name(scope)
        assert scope[PEER] == 1
    await found.name(scope_of(2, {}, (b"session-id", b"mine")))
    await found.name(scope_of(2, {}, address="192.0.2.7"))
    assert looked_up == [(1, [])]

    for port in range(2, 500):
        await found.name(scope_of(port, {}))
    assert looked_up[1] == (2, [1])
    assert looked_up[-1][1][0] == 498
    assert len(looked_up[-1][1]) < 100


@pytest.fixture
def host(tiny_model_path: Path, tmp_path: Path) -> Iterator[ServedHost]:
    with serving(make_home(tmp_path / "home", tiny_model_path)) as host:
        httpx2.get(f"{host.url}/v1/models", headers=host.headers, timeout=PATIENCE).raise_for_status()
        yield host


def test_all_connections_of_a_program_are_one_agent_and_another_program_is_another(host: ServedHost) -> None:
    url = f"{host.url}/v1/chat/completions"
    together = threading.Barrier(8)

    def ask(_: int) -> None:
        with httpx2.Client(headers=host.headers, timeout=PATIENCE) as client:
            together.wait(PATIENCE)
            client.post(url, json=BODY).raise_for_status()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(ask, range(8)))
    ran = subprocess.Popen([sys.executable, "-c", ASK, url, json.dumps(host.headers), json.dumps(BODY)])
    assert ran.wait(PATIENCE) == 0

    statistics = httpx2.get(f"{host.url}/statistics", headers=host.headers).json()
    finished = {agent["name"]: agent["requests"]["finished"] for agent in statistics["agents"]}
    assert finished == {f"process {os.getpid()}": 8, f"process {ran.pid}": 1}
