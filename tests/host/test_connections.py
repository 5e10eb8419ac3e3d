"""Connections that never finish a request: a host with few descriptors goes on serving everybody else."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
import uvicorn
from starlette.types import Receive, Scope, Send

from codex_windows_ai.host import connections as limits
from codex_windows_ai.host.connections import Connection
from tests.served import PATIENCE, ServedHost, make_home, serving, what_it_said

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="limits descriptors")

DESCRIPTORS = 512
HALF_OPEN = 712
HALF_HEADERS = b"POST /v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1\r\n"
HALF_BODY = b"content-length: 1000\r\n\r\n{"


@pytest.fixture
def home(tiny_model_path: Path, tmp_path: Path) -> Path:
    return make_home(tmp_path / "home", tiny_model_path)


@contextmanager
def connections(host: ServedHost, count: int, sending: bytes) -> Generator[list[socket.socket]]:
    """That many connections whose clients send something and then nothing any more."""
    url = httpx2.URL(host.url)
    with ExitStack() as opened:
        sockets = [opened.enter_context(socket.create_connection((url.host, url.port), PATIENCE)) for _ in range(count)]
        for each in sockets:
            try:
                each.sendall(sending)
            except ConnectionError:
                continue  # it had to make room already
        yield sockets


def ask(host: ServedHost, path: str = "/status") -> dict[str, Any]:
    """What a program hears that asks now: within a second or so, or it is an error."""
    answer = httpx2.get(host.url + path, headers=host.headers, timeout=5)
    return answer.raise_for_status().json()


def with_token(host: ServedHost, begin: bytes) -> bytes:
    return begin + f"authorization: Bearer {host.token}\r\n".encode()


@pytest.mark.parametrize("kind", ["silent", "half headers", "half body without the token", "half body with it"])
def test_half_open_connections_keep_nobody_else_out(kind: str, home: Path) -> None:
    with serving(home, limit=f"-n {DESCRIPTORS}") as host:
        ask(host, "/v1/models")  # waits until the model is loaded
        memory = psutil.Process(host.process.pid).memory_info().rss
        sending = {
            "silent": b"",
            "half headers": HALF_HEADERS,
            "half body without the token": HALF_HEADERS + HALF_BODY,
            "half body with it": with_token(host, HALF_HEADERS) + HALF_BODY,
        }[kind]
        with connections(host, HALF_OPEN, sending):
            for _ in range(20):
                status = ask(host)
                assert status["active_requests"] == 0
            assert psutil.Process(host.process.pid).num_fds() < DESCRIPTORS
            assert psutil.Process(host.process.pid).memory_info().rss - memory < 64e6
        said = what_it_said(host)

    assert host.process.returncode == 0
    assert len(said) < 10_000
    assert "Traceback" not in said


def test_half_requests_are_no_work_that_keeps_a_host_from_ending(home: Path) -> None:
    with serving(home, "--idle-stop", "1") as host:
        sending = with_token(host, HALF_HEADERS) + HALF_BODY
        with connections(host, 20, sending), connections(host, 20, HALF_HEADERS):
            assert host.process.wait(PATIENCE) == 0
            assert host.process.stderr
            assert host.process.stderr.read() == ""


def test_a_client_that_leaves_before_its_body_is_whole_is_no_error_in_the_log(home: Path) -> None:
    with serving(home) as host:
        with connections(host, 20, with_token(host, HALF_HEADERS) + HALF_BODY):
            ask(host)
        while any(
            each.status != psutil.CONN_LISTEN for each in psutil.Process(host.process.pid).net_connections("tcp")
        ):
            pass  # until it has noticed that they left
        said = what_it_said(host)

    assert said == ""


class Door:
    """An application that answers `/wait` when `go` is set and anything else at once, `/large` with more than fits."""

    def __init__(self) -> None:
        self.asked, self.go = asyncio.Event(), asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        self.asked.set()
        if scope["path"] == "/wait":
            await self.go.wait()
        body = b"x" * 50_000_000 if scope["path"] == "/large" else b"answer"
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})


@asynccontextmanager
async def listening(door: Door) -> AsyncGenerator[Callable[[bytes], Awaitable[asyncio.StreamReader]]]:
    """Serves a door; gives a function that connects, sends something, and returns what comes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = uvicorn.Server(uvicorn.Config(door, http=Connection, lifespan="off", log_config=None))
        serving = asyncio.create_task(server.serve([listener]))
        writers: list[asyncio.StreamWriter] = []

        async def connect(sending: bytes) -> asyncio.StreamReader:
            reader, writer = await asyncio.open_connection(*listener.getsockname())
            writers.append(writer)
            writer.write(sending)
            return reader

        try:
            yield connect
        finally:
            for writer in writers:
                writer.transport.abort()
            server.should_exit = True
            await serving


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nhost: x\r\n\r\n".encode()


async def closed(reader: asyncio.StreamReader) -> bytes:
    """What a client was sent until its connection was closed."""
    try:
        return await reader.read()
    except ConnectionError:
        return b""


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("sending", "answer"), [(b"", b""), (b"GET /", b"HTTP/1.1 408 "), (get("/") + b"GET /", b"HTTP/1.1 200 ")]
)
async def test_a_request_that_does_not_become_whole_ends_its_connection(
    sending: bytes, answer: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "REQUEST_SECONDS", 0.01)
    async with listening(Door()) as connect:
        assert (await closed(await connect(sending))).startswith(answer)


@pytest.mark.anyio
async def test_a_body_that_nobody_waits_for_does_not_keep_its_connection_open(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "REQUEST_SECONDS", 0.01)
    async with listening(Door()) as connect:
        assert b"answer" in await closed(await connect(HALF_HEADERS + HALF_BODY))


@pytest.mark.anyio
async def test_of_too_many_the_one_that_was_silent_for_longest_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "most_connections", lambda: 3)
    door = Door()
    async with listening(door) as connect:
        answered = await connect(get("/wait"))
        await door.asked.wait()
        oldest, next_one = await connect(b"GET /"), await connect(b"GET /")

        assert b"answer" in await (await connect(get("/"))).readuntil(b"answer")
        assert await closed(oldest) == b""
        assert b"answer" in await (await connect(get("/"))).readuntil(b"answer")
        assert await closed(next_one) == b""

        door.go.set()
        assert b"answer" in await answered.readuntil(b"answer")


@pytest.mark.anyio
async def test_where_all_are_answered_a_new_one_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "most_connections", lambda: 1)
    door = Door()
    async with listening(door) as connect:
        answered = await connect(get("/wait"))
        await door.asked.wait()

        assert await closed(await connect(get("/"))) == b""

        door.go.set()
        assert b"answer" in await answered.readuntil(b"answer")


@pytest.mark.anyio
async def test_an_answer_that_its_client_does_not_read_makes_room_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "most_connections", lambda: 1)
    door = Door()
    async with listening(door) as connect:
        await connect(get("/large"))
        await door.asked.wait()

        assert b"answer" in await (await connect(get("/"))).readuntil(b"answer")
