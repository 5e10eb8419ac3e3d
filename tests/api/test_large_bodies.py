"""Large bodies, served or refused, keep nobody waiting."""

from __future__ import annotations

import asyncio
import gc
import json
from typing import Any

import httpx2
import psutil
import pytest

from codex_windows_ai.api.shared.parsing import parse_json
from tests.host.live import LiveHost
from tests.hosting import TOKEN, OpenClient

pytestmark = pytest.mark.anyio

CHAT, RESPONSES, GENERATE = "/v1/chat/completions", "/v1/responses", "/generate"
TOO_LARGE, TOO_DEEP = (413, "request_too_large"), (400, "invalid_request")


def chat(**fields: Any) -> dict[str, Any]:
    return {"model": "tiny", "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}], **fields}


def function(name: str, **properties: Any) -> dict[str, Any]:
    parameters = {"type": "object", "properties": properties}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


async def post(open_client: OpenClient, path: str, body: object) -> tuple[int, dict[str, Any]]:
    """Status and error of a refused request."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    async with open_client() as client:
        answer = await client.post(path, content=content, headers={"content-type": "application/json"})
    return answer.status_code, answer.json()["error"]


@pytest.mark.parametrize("path", [CHAT, RESPONSES])
async def test_others_are_served_while_a_large_body_is_read(open_client: OpenClient, path: str) -> None:
    """It is no JSON at its end, so that nothing but reading it takes time."""
    turns = 0

    async def turn() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    async with open_client() as client:
        await client.get("/v1/models")
        other = asyncio.create_task(turn())
        answer = await client.post(path, content=b'{"messages": [' + b'{"role": "user"}, ' * 60_000)
        other.cancel()
    assert answer.status_code == 400
    assert turns > 60


@pytest.mark.parametrize("text", ["word " * 3_000_000, "字 " * 500_000], ids=["latin", "chinese"])
async def test_a_prompt_of_megabytes_is_refused_as_too_long(open_client: OpenClient, text: str) -> None:
    messages = [{"role": "user", "content": text}]
    for path, body in ((CHAT, chat(messages=messages)), (RESPONSES, {"model": "tiny", "input": messages})):
        status, error = await post(open_client, path, body)
        assert (status, error["code"]) == (400, "context_length_exceeded")
        assert "at least" in error["message"]
        assert error["details"]["prompt_tokens"] >= error["details"]["context_length"]


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (chat(metadata={f"k{number}": "v" for number in range(300_000)}), TOO_LARGE),
        (chat(messages=[{"role": "user", "content": "hi"}] * 100_000), TOO_LARGE),
        (chat(tools=[function(f"t{number}", a={"type": "string"}) for number in range(30_000)]), TOO_LARGE),
        (b'{"model": "tiny", "messages": ' + b"[" * 7_000_000, TOO_LARGE),
        (b'{"model": "tiny", "messages": ' + b'{"a":' * 100_000, TOO_DEEP),
        (b'{"model": "tiny", "messages": [' + b"0," * 2_000_000 + b"0]}", TOO_LARGE),
    ],
    ids=["keys", "messages", "tools", "lists", "objects", "numbers"],
)
async def test_more_than_a_request_can_mean_is_refused_by_its_number(
    open_client: OpenClient, body: object, refusal: tuple[int, str]
) -> None:
    for path in (CHAT, RESPONSES, GENERATE):
        status, error = await post(open_client, path, body)
        assert (status, error["code"]) == refusal
        assert "more than" in error["message"]


@pytest.mark.parametrize("length", [10, 100_000, 2_000_000])
def test_half_a_character_is_replaced_whether_it_is_bytes_or_an_escape(length: int) -> None:
    written = '["' + "x" * length + '", "\ud83d", "\\ude00", "\ud83d\ude00", "\\ud83d\\ude00"]'

    assert parse_json(written.encode("utf-8", "surrogatepass")) == ["x" * length, "�", "�", "😀", "😀"]


async def test_the_first_of_many_faults_is_named_at_once(open_client: OpenClient) -> None:
    status, error = await post(open_client, CHAT, chat(messages=[7] * 100_000))

    assert (status, error["param"]) == (400, "messages[0]")


async def test_a_body_that_is_no_object_is_shown_by_its_beginning(open_client: OpenClient) -> None:
    status, error = await post(open_client, CHAT, ["x" * 1_000_000] * 3)

    assert status == 400
    assert len(error["message"]) < 300


async def test_a_huge_schema_is_loosened_or_refused_by_name(open_client: OpenClient) -> None:
    wide = {f"p{number}": {"type": "string"} for number in range(5000)}
    schema = {"type": "object", "properties": wide}
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema, "strict": True}}

    status, error = await post(open_client, CHAT, chat(response_format=form))

    assert (status, error["code"]) == (400, "invalid_grammar")
    assert "5,000 optional properties" in error["message"]


PRODUCT = {"allOf": [{"type": "integer", "multipleOf": factor} for factor in (3, 5, 7, 11, 13, 17, 19, 23)]}
"""Of which the library would make one automaton, for hours."""


@pytest.mark.parametrize(
    "asked",
    [
        {"tools": [{"type": "function", "function": {**function("slow", a=PRODUCT)["function"], "strict": True}}]},
        {"response_format": {"type": "json_schema", "json_schema": {"name": "x", "schema": PRODUCT, "strict": True}}},
        {
            "tools": [
                {
                    "type": "custom",
                    "name": "slow",
                    "format": {
                        "type": "grammar",
                        "syntax": "lark",
                        "definition": f"start: %json {json.dumps(PRODUCT)}",
                    },
                }
            ]
        },
    ],
    ids=["tool", "format", "grammar"],
)
async def test_one_that_must_be_kept_to_is_refused_and_others_are_served_meanwhile(
    open_client: OpenClient, asked: dict[str, Any]
) -> None:
    async with open_client() as client:
        asking = [client.post(CHAT, json=chat(**asked)) for _ in range(8)]
        refused = await asyncio.gather(*asking, client.get("/health"))
        served = await client.post(CHAT, json=chat())

    assert [answer.status_code for answer in (*refused, served)] == [400] * 8 + [200, 200]
    error = refused[0].json()["error"]
    assert error["code"] == "invalid_grammar"
    assert "takes too much to compile" in error["message"]


async def test_a_message_to_mcp_has_a_bound_of_its_own(open_client: OpenClient) -> None:
    status, error = await post(open_client, "/mcp", {"jsonrpc": "2.0", "id": 1, "method": "ping", "x": "y" * 3_000_000})

    assert (status, error["code"]) == (413, "request_too_large")


async def test_the_collector_of_garbage_works_on_when_large_bodies_are_done(open_client: OpenClient) -> None:
    async with open_client() as client:
        bodies = [chat(messages=[{"role": "user", "content": "word " * 50_000}]), [1] * 100_000, chat()]
        await asyncio.gather(*(client.post(CHAT, json=body) for body in bodies * 3))

    assert gc.isenabled()


def test_memory_of_a_large_body_returns(live_host: LiveHost) -> None:
    content = json.dumps(chat(messages=[{"role": "user", "content": "word " * 3_000_000}])).encode()
    process = psutil.Process()  # the host is in this one
    headers = {"authorization": f"Bearer {TOKEN}", "content-type": "application/json"}
    with httpx2.Client(base_url=live_host.url, headers=headers, timeout=60) as client:
        used = list[int]()
        for _ in range(26):
            assert client.post(CHAT, content=content).status_code == 400
            used.append(process.memory_info().rss)
    # The system's allocator keeps up to four bodies' worth, by the first twenty requests at the latest.
    assert used[-1] < used[1] + 6 * len(content)
