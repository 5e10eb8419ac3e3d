"""Codes and tokens of those who may look and do nothing else."""

from __future__ import annotations

import asyncio

import httpx2
import pytest

from codex_windows_ai.errors import AuthenticationError
from codex_windows_ai.host.viewing import CODE_SECONDS, MOST_CODES, MOST_TOKENS, Viewing
from tests.hosting import TOKEN, OpenClient

OWN = {"authorization": f"Bearer {TOKEN}"}


def test_a_code_works_once() -> None:
    viewing = Viewing()
    code = viewing.issue_code()
    token = viewing.redeem(code)

    assert viewing.allows(token.encode())
    assert token != code
    with pytest.raises(AuthenticationError):
        viewing.redeem(code)


@pytest.mark.parametrize(("seconds", "works"), [(CODE_SECONDS, True), (CODE_SECONDS + 1, False)])
def test_a_code_works_for_some_minutes(seconds: float, works: bool) -> None:
    now = 0.0
    viewing = Viewing(lambda: now)
    code = viewing.issue_code()
    now = seconds
    try:
        viewing.redeem(code)
        assert works
    except AuthenticationError:
        assert not works


@pytest.mark.parametrize("given", ["", "x", "é"])
def test_what_was_never_issued_opens_nothing(given: str) -> None:
    viewing = Viewing()
    viewing.redeem(viewing.issue_code())

    assert not viewing.allows(given.encode())
    with pytest.raises(AuthenticationError):
        viewing.redeem(given)


def test_the_oldest_codes_and_tokens_give_way() -> None:
    viewing = Viewing()
    codes = [viewing.issue_code() for _ in range(MOST_CODES + 1)]
    with pytest.raises(AuthenticationError):
        viewing.redeem(codes[0])
    tokens = [viewing.redeem(code) for code in codes[1:]]
    assert all(viewing.allows(token.encode()) for token in tokens[-MOST_TOKENS:])
    newest = viewing.redeem(viewing.issue_code())

    assert viewing.allows(newest.encode())
    assert not viewing.allows(tokens[-MOST_TOKENS].encode())


def test_the_token_of_a_code_reads_the_statistics_and_opens_no_other_door(open_client: OpenClient) -> None:
    async def look() -> None:
        async with open_client() as client:

            async def ask(method: str, path: str, bearer: str) -> httpx2.Response:
                return await client.request(method, path, headers={"authorization": f"Bearer {bearer}"})

            issued = (await ask("POST", "/view/codes", TOKEN)).json()
            token = (await ask("POST", "/view/tokens", issued["code"])).json()["token"]
            assert issued["seconds"] == CODE_SECONDS
            assert (await ask("GET", "/statistics", token)).status_code == 200
            for path in ("/status", "/metrics", "/v1/models", "/statistics/", "/mcp"):
                assert (await ask("GET", path, token)).status_code == 401
            for path in ("/view/codes", "/shutdown", "/cancel", "/v1/responses"):
                assert (await ask("POST", path, token)).status_code == 401
            again = await ask("POST", "/view/tokens", issued["code"])
            assert again.status_code == 401
            assert "cwai top --web" in again.json()["error"]["hint"]

    asyncio.run(look())


@pytest.mark.parametrize("bearer", ["", TOKEN])
def test_only_a_code_becomes_a_token(bearer: str, open_client: OpenClient) -> None:
    async def ask() -> httpx2.Response:
        async with open_client(headers={"authorization": f"Bearer {bearer}"}) as client:
            return await client.post("/view/tokens")

    assert asyncio.run(ask()).status_code == 401
