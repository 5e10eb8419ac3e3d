"""Which rules a client is served by, and what a host lists that knows no client by name."""

from __future__ import annotations

import asyncio

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request

from codex_windows_ai.api.shared.profiles import ANY_CLIENT, ClientProfile, profile_of
from codex_windows_ai.codex.client_profile import codex_profile
from codex_windows_ai.host.app import create_app
from codex_windows_ai.host.host import Host
from codex_windows_ai.settings import Settings


def request(profiles: tuple[ClientProfile, ...], **headers: str) -> Request:
    app = Starlette()
    app.state.profiles = profiles
    encoded = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Request({"type": "http", "app": app, "headers": encoded})


@pytest.mark.parametrize("header", ["originator", "x_codex_turn_metadata"])
def test_codex_is_known_by_its_headers_and_served_by_its_rules(header: str) -> None:
    codex = codex_profile(Settings())

    assert profile_of(request((codex,), **{header: "x"})) is codex
    assert codex.completes_cut_text


def test_every_other_client_is_served_alike() -> None:
    codex = codex_profile(Settings())

    assert profile_of(request((codex,), user_agent="codex")) is ANY_CLIENT
    assert profile_of(request((), originator="codex")) is ANY_CLIENT
    assert not ANY_CLIENT.completes_cut_text


def test_the_first_profile_that_matches_counts() -> None:
    first, second = (ClientProfile(name, lambda headers: "x-mine" in headers) for name in ("first", "second"))

    assert profile_of(request((first, second), x_mine="1")) is first


def test_a_host_without_profiles_lists_models_and_no_catalogue(tiny_settings: Settings) -> None:
    async def look() -> httpx2.Response:
        app = create_app(Host(tiny_settings))
        transport = httpx2.ASGITransport(app=app)
        async with (
            app.router.lifespan_context(app),
            httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client,
        ):
            return await client.get("/v1/models")

    body = asyncio.run(look()).json()
    assert body.keys() == {"object", "data"}
    assert [model["id"] for model in body["data"]] == ["tiny"]
