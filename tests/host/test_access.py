"""Who is let in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from codex_windows_ai.host.host import Host
from codex_windows_ai.host.limits import MOST_BODY_BYTES, BodyLimit
from codex_windows_ai.settings import Settings
from tests.hosting import TOKEN, OpenClient

OWN = {"authorization": f"Bearer {TOKEN}"}


def ask(open_client: OpenClient, path: str, headers: dict[str, str], host: Host | None = None) -> httpx2.Response:
    async def get() -> httpx2.Response:
        async with open_client(host, headers=headers) as client:
            return await client.get(path)

    return asyncio.run(get())


@pytest.mark.parametrize(
    "authorization",
    [
        None,
        "",
        "Bearer",
        "Bearer ",
        "Bearer wrong",
        f"Basic {TOKEN}",
        TOKEN,
        f"Bearer {TOKEN}x",
        f"Bearer {TOKEN[:-1]}",
    ],
)
@pytest.mark.parametrize(
    "path",
    [
        *("/status", "/ready", "/metrics", "/statistics", "/v1/models", "/absent"),
        *("/health/", "http://127.0.0.1//health", "/page/", "/page/page.css/", "/view/codes"),
    ],
)
def test_without_the_token_no_door_answers(path: str, authorization: str | None, open_client: OpenClient) -> None:
    answer = ask(open_client, path, {} if authorization is None else {"authorization": authorization})

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    error = answer.json()["error"]
    assert (error["code"], error["type"]) == ("invalid_api_key", "invalid_request_error")
    assert TOKEN not in answer.text


def test_health_answers_anybody_on_this_machine(open_client: OpenClient) -> None:
    assert ask(open_client, "/health", {}).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "evil.example:8417"},
        {"host": "127.0.0.1.evil.example"},
        {"host": ""},
        {"host": "[::1"},
        {"host": "user@evil.example"},
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost.evil.example"},
        {"origin": "file://"},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["/health", "/status"])
def test_a_web_page_is_refused_even_with_the_token(path: str, headers: dict[str, str], open_client: OpenClient) -> None:
    answer = ask(open_client, path, OWN | headers)

    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "foreign_origin"


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "localhost:8417"},
        {"host": "LOCALHOST"},
        {"host": "[::1]:8417"},
        {"origin": "http://127.0.0.1:8417"},
        {"origin": "http://localhost"},
    ],
    ids=str,
)
def test_programs_of_this_machine_are_served_by_any_of_its_names(
    headers: dict[str, str], open_client: OpenClient
) -> None:
    assert ask(open_client, "/status", OWN | headers).status_code == 200


def test_further_names_are_only_those_it_was_given(open_client: OpenClient, tiny_settings: Settings) -> None:
    host = Host(tiny_settings, token=TOKEN, allowed_hosts=("MyPC",))

    assert ask(open_client, "/status", OWN | {"host": "mypc:8417"}, host).status_code == 200


def test_an_unknown_path_and_a_wrong_method_have_the_shape_of_every_error(open_client: OpenClient) -> None:
    unknown, wrong = ask(open_client, "/absent", OWN), ask(open_client, "/shutdown", OWN)

    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "unknown_url")
    assert unknown.json()["error"]["message"].startswith("Not Found: GET /absent.")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "method_not_supported")


def test_a_host_inside_another_program_cannot_be_ended_from_outside(open_client: OpenClient) -> None:
    async def post() -> httpx2.Response:
        async with open_client() as client:
            return await client.post("/shutdown")

    assert asyncio.run(post()).json()["error"]["code"] == "not_available"


def send_body(body: bytes | AsyncIterator[bytes], limit: int, *, swallow: bool = False) -> httpx2.Response:
    """What a door that reads its whole body answers behind a body limit."""

    async def door(scope: Any, receive: Any, send: Any) -> None:
        more, status = True, 200
        try:
            while more:
                more = (await receive()).get("more_body", False)
        except Exception:
            if not swallow:
                raise
            status = 500
        await send({"type": "http.response.start", "status": status, "headers": []})
        await send({"type": "http.response.body", "body": b"read"})

    async def post() -> httpx2.Response:
        transport = httpx2.ASGITransport(app=BodyLimit(door, limit))
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.post("/", content=body)

    return asyncio.run(post())


async def pieces(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"0123456789"


def test_a_body_within_the_limit_is_read() -> None:
    assert send_body(b"x" * 100, 100).text == "read"
    assert send_body(pieces(10), 100).text == "read"


@pytest.mark.parametrize("swallow", [False, True])
def test_a_body_over_the_limit_is_refused_also_when_it_does_not_say_its_size(swallow: bool) -> None:
    for answer in (send_body(b"x" * 101, 100, swallow=swallow), send_body(pieces(11), 100, swallow=swallow)):
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "request_too_large"


def test_the_limit_stands_in_front_of_every_door(open_client: OpenClient) -> None:
    async def post() -> httpx2.Response:
        async with open_client() as client:
            return await client.post("/absent", content=b"x" * (MOST_BODY_BYTES + 1))

    assert asyncio.run(post()).status_code == 413
