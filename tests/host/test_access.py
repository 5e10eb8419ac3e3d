"""Who is let in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from codex_windows_ai.host.access import AccessControl
from codex_windows_ai.host.host import Host, Reach
from codex_windows_ai.host.limits import MOST_BODY_BYTES, WholeBody
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
        *("/v1/models/.well-known/openid-configuration", "/status/.well-known/x"),
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
        {"host": "user@127.0.0.1"},
        {"host": "user:word@localhost:8417"},
        {"host": "127.0.0.1:8417#part"},
        {"host": "localhost/path"},
        {"host": "localhost?query"},
        {"host": "http://localhost"},
        {"host": "localhost:port"},
        {"host": "localhost:"},
        {"host": "[127.0.0.1]:x"},
        {"host": "localhost, evil.example"},
        {"host": "host.docker.internal"},
        {"origin": "http://user@localhost"},
        {"origin": "http://localhost/path"},
        {"origin": "app://localhost"},
        {"origin": "app://obsidian.md"},
        {"origin": "vscode-webview://0a1b"},
        {"origin": "http://tauri.localhost"},
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
    assert f"`allowed_{'hosts' if 'host' in headers else 'origins'}`" in answer.json()["error"]["hint"]
    assert not [name for name in answer.headers if name.startswith("access-control-")]


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
    host = Host(tiny_settings, token=TOKEN, reach=Reach(names=("MyPC",)))

    assert ask(open_client, "/status", OWN | {"host": "mypc:8417"}, host).status_code == 200


def with_settings(tiny_settings: Settings, **settings: Any) -> Host:
    """A host with these settings besides."""
    return Host(Settings(model=tiny_settings.model, threads=1, **settings), token=TOKEN)


@pytest.mark.parametrize("name", ["host.docker.internal:8417", "HOST.docker.internal", "[fe80::1]:8417", "172.17.0.1"])
def test_a_name_that_is_listed_is_this_host(name: str, open_client: OpenClient, tiny_settings: Settings) -> None:
    names = ("host.docker.internal", "fe80::1", "172.17.0.1")
    host = with_settings(tiny_settings, allowed_hosts=names)

    assert ask(open_client, "/status", OWN | {"host": name}, host).status_code == 200
    assert ask(open_client, "/status", {"host": name}, host).status_code == 401


LISTED = ("app://obsidian.md", "vscode-webview://*", "null", "http://localhost:3000", "http://tauri.localhost")
PAGES = ["app://obsidian.md", "vscode-webview://0a1b-2c", "null", "http://localhost:3000", "http://tauri.localhost"]
PREFLIGHT = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}


@pytest.mark.parametrize("origin", PAGES)
def test_a_page_that_is_listed_gets_answers_that_its_browser_shows_it(
    origin: str, open_client: OpenClient, tiny_settings: Settings
) -> None:
    async def talk() -> list[httpx2.Response]:
        host = with_settings(tiny_settings, allowed_origins=LISTED)
        async with open_client(host, headers={"origin": origin}) as client:
            return [
                await client.options("/v1/chat/completions", headers=PREFLIGHT),
                await client.get("/status", headers=OWN),
                await client.get("/status"),
                await client.get("/absent", headers=OWN),
                await client.post("/v1/chat/completions", headers=OWN, content=b"{"),
                await client.post("/v1/chat/completions", headers=OWN, content=b"x" * (MOST_BODY_BYTES + 1)),
                await client.get("/status", headers=OWN | {"host": "evil.example"}),
            ]

    answers = asyncio.run(talk())

    assert [answer.status_code for answer in answers] == [204, 200, 401, 404, 400, 413, 403]
    assert {answer.headers.get("access-control-allow-origin") for answer in answers} == {origin}
    assert {answer.headers.get("vary") for answer in answers} == {"Origin"}
    assert "POST" in answers[0].headers["access-control-allow-methods"]
    assert answers[0].headers["access-control-allow-headers"] == "authorization,content-type"
    assert not [answer for answer in answers if "access-control-allow-credentials" in answer.headers]


@pytest.mark.parametrize(
    "origin",
    [
        *("http://localhost:3001", "http://localhost", "https://localhost:3000", "http://localhost:3000.evil.example"),
        *("app://obsidian.md.evil", "app://evil", "vscode-webview://", "vscode-webview://a/b", "https://evil.example"),
    ],
)
def test_the_preflight_of_a_page_that_is_not_listed_is_refused(
    origin: str, open_client: OpenClient, tiny_settings: Settings
) -> None:
    async def talk() -> httpx2.Response:
        async with open_client(
            with_settings(tiny_settings, allowed_origins=LISTED), headers={"origin": origin}
        ) as client:
            return await client.options("/v1/chat/completions", headers=PREFLIGHT)

    answer = asyncio.run(talk())

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "foreign_origin")
    assert "`allowed_origins`" in answer.json()["error"]["hint"]
    assert "access-control-allow-origin" not in answer.headers


def test_a_fault_of_the_host_is_shown_to_a_listed_page_too(
    open_client: OpenClient, tiny_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = with_settings(tiny_settings, allowed_origins=LISTED)

    def fail() -> None:
        raise LookupError("a fault")

    monkeypatch.setattr(host, "look_for_driver", fail)

    answer = ask(open_client, "/status", OWN | {"origin": "null"}, host)

    assert answer.status_code == 500
    assert answer.headers["access-control-allow-origin"] == "null"


@pytest.mark.parametrize("path", ["oauth-protected-resource", "oauth-authorization-server", "openid-configuration"])
@pytest.mark.parametrize("form", ["/.well-known/{}", "/.well-known/{}/mcp", "/mcp/.well-known/{}"])
def test_who_looks_for_a_login_hears_that_there_is_none(path: str, form: str, open_client: OpenClient) -> None:
    assert ask(open_client, form.format(path), {}).status_code == 404


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer any"}, {"origin": "app://obsidian.md"}], ids=str)
def test_where_loopback_is_open_a_program_needs_no_token_to_ask_a_model(
    headers: dict[str, str], open_client: OpenClient, tiny_settings: Settings
) -> None:
    host = with_settings(tiny_settings, open_loopback=True, allowed_origins=LISTED)

    assert ask(open_client, "/v1/models", headers, host).status_code == 200
    assert any("open_loopback" in remark for remark in ask(open_client, "/status", OWN, host).json()["remarks"])


@pytest.mark.parametrize("path", ["/status", "/metrics", "/mcp", "/view/codes", "/openapi.json", "//v1/models"])
def test_where_loopback_is_open_everything_else_still_needs_the_token(
    path: str, open_client: OpenClient, tiny_settings: Settings
) -> None:
    assert ask(open_client, path, {}, with_settings(tiny_settings, open_loopback=True)).status_code == 401


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 403),
        ({"host": "host.docker.internal"}, 401),
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://localhost:3000"}, 401),
        ({"sec-fetch-site": "cross-site"}, 401),
        ({"x-forwarded-for": "192.0.2.7"}, 401),
        ({"forwarded": "for=192.0.2.7"}, 401),
    ],
    ids=str,
)
def test_an_open_loopback_is_open_to_no_page_and_to_nobody_behind_a_proxy(
    headers: dict[str, str], status: int, open_client: OpenClient, tiny_settings: Settings
) -> None:
    host = with_settings(tiny_settings, open_loopback=True, allowed_hosts=("host.docker.internal",))

    assert ask(open_client, "/v1/models", headers, host).status_code == status


@pytest.mark.parametrize(("peer", "status"), [("127.0.0.1", 200), ("::1", 200), ("192.0.2.7", 401)])
def test_an_open_loopback_is_open_to_peers_of_this_machine(peer: str, status: int) -> None:
    async def door(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def get() -> httpx2.Response:
        access = AccessControl(door, TOKEN, lambda token: False, open_loopback=True)
        transport = httpx2.ASGITransport(app=access, client=(peer, 5))
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.get("/v1/models")

    assert asyncio.run(get()).status_code == status


def test_a_host_that_other_machines_reach_is_never_open(open_client: OpenClient, tiny_settings: Settings) -> None:
    settings = Settings(model=tiny_settings.model, threads=1, open_loopback=True)
    host = Host(settings, token=TOKEN, reach=Reach(only_loopback=False))

    assert ask(open_client, "/v1/models", {}, host).status_code == 401
    assert "no effect" in " ".join(host.remarks)


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


def send_body(body: bytes | AsyncIterator[bytes], limit: int) -> httpx2.Response:
    """What a door that reads its whole body answers behind a body limit."""

    async def door(scope: Any, receive: Any, send: Any) -> None:
        message = await receive()
        assert not message["more_body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": message["body"]})

    async def post() -> httpx2.Response:
        transport = httpx2.ASGITransport(app=WholeBody(door, limit))
        async with httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            return await client.post("/", content=body)

    return asyncio.run(post())


async def pieces(count: int) -> AsyncIterator[bytes]:
    for _ in range(count):
        yield b"0123456789"


def test_a_body_within_the_limit_is_read() -> None:
    assert send_body(b"x" * 100, 100).text == "x" * 100
    assert send_body(pieces(10), 100).text == "0123456789" * 10


def test_a_body_over_the_limit_is_refused_also_when_it_does_not_say_its_size() -> None:
    for answer in (send_body(b"x" * 101, 100), send_body(pieces(11), 100)):
        assert answer.status_code == 413
        assert answer.json()["error"]["code"] == "request_too_large"


async def never_called(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("half a body was handed on")


def send_half_a_body(door: WholeBody, *messages: dict[str, Any], again: bool = False) -> list[dict[str, Any]]:
    """What is sent to a client that sends these messages, and then nothing, or the last one `again` and again."""
    left, sent = list(messages), list[dict[str, Any]]()

    async def receive() -> dict[str, Any]:
        await asyncio.sleep(0)
        if len(left) > 1 or (left and not again):
            return left.pop(0)
        if not again:
            await asyncio.Event().wait()
        return left[0]

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(door({"type": "http", "method": "POST", "path": "/", "headers": []}, receive, send))
    return sent


PIECE = {"type": "http.request", "body": b"x", "more_body": True}


@pytest.mark.parametrize("again", [False, True])
def test_a_body_that_stops_or_takes_for_ever_is_refused(again: bool) -> None:
    door = WholeBody(never_called, silence_seconds=60 if again else 0.01, body_seconds=0.01 if again else 60)

    start, body = send_half_a_body(door, PIECE, again=again)

    assert start["status"] == 408
    assert (b"connection", b"close") in start["headers"]
    assert json.loads(body["body"])["error"]["code"] == "request_timeout"


def test_a_client_that_leaves_before_its_body_is_whole_is_not_answered() -> None:
    assert send_half_a_body(WholeBody(never_called), PIECE, {"type": "http.disconnect"}) == []


def test_the_limit_stands_in_front_of_every_door(open_client: OpenClient) -> None:
    async def post() -> httpx2.Response:
        async with open_client() as client:
            return await client.post("/absent", content=b"x" * (MOST_BODY_BYTES + 1))

    assert asyncio.run(post()).status_code == 413
