"""POST /generate and the channel carry the same request: no field is lost on either."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from codex_windows_ai.protocol.answer import CallEnded, Delta
from codex_windows_ai.protocol.codec import decode_delta, decode_source, encode_request
from codex_windows_ai.protocol.grammar import Grammar
from codex_windows_ai.protocol.message import Message
from codex_windows_ai.protocol.request import GenerationRequest, SamplingParameters
from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.protocol.tools import Tool, ToolSet
from tests.host.live import PATIENCE, LiveHost
from tests.hosting import TOKEN

HELLO = (Message("user", "hello"),)
HEADERS = {"authorization": f"Bearer {TOKEN}"}
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"city": {"enum": ["Tokyo"]}}, "required": ["city"]}


def events(live: LiveHost, request: GenerationRequest) -> list[tuple[str, bytes]]:
    answer = httpx2.post(f"{live.url}/generate", headers=HEADERS, content=encode_request(request), timeout=PATIENCE)
    assert answer.status_code == 200, answer.text
    lines = answer.text.splitlines()
    names = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
    contents = [line.removeprefix("data: ").encode() for line in lines if line.startswith("data: ")]
    return list(zip(names, contents, strict=True))


def generate(live: LiveHost, request: GenerationRequest) -> tuple[AnswerSource, list[Delta]]:
    said = events(live, request)
    [source] = [decode_source(content) for name, content in said if name == "source"]
    return source, [decode_delta(content) for name, content in said if name == "delta"]


def test_an_answer_says_who_gave_it_and_what_it_took(live_host: LiveHost) -> None:
    source, deltas = generate(live_host, GenerationRequest(HELLO, max_output_tokens=5))

    assert (source.provider, source.model, source.transport) == ("engine", "tiny", "http")
    assert (deltas[-1].finish_reason, deltas[-1].usage and deltas[-1].usage.output_tokens) == ("length", 5)
    assert all(delta.tokens == () for delta in deltas)


def test_grammars_token_ids_and_log_probabilities_travel(live_host: LiveHost) -> None:
    request = GenerationRequest(
        prompt_token_ids=(1, 2, 3),
        grammar=Grammar("regex", "[ab]{6}"),
        sampling=SamplingParameters(seed=3, temperature=1.0),
        top_logprobs=2,
    )

    _, deltas = generate(live_host, request)

    text = "".join(delta.text for delta in deltas)
    tokens = [token for delta in deltas for token in delta.tokens]
    assert len(text) == 6
    assert set(text) <= {"a", "b"}
    assert b"".join(token.token for token in tokens).decode() == text
    assert {len(token.alternatives) for token in tokens if token.logprob is not None} == {2}


def test_a_call_comes_as_parts(live_host: LiveHost) -> None:
    tool = Tool("function", "time_in", parameters=SCHEMA)
    offered = ToolSet((tool,), mode="required", parallel=False)
    request = GenerationRequest(prompt_token_ids=(1, 2, 3), tools=offered, max_output_tokens=200)

    _, deltas = generate(live_host, request)

    ended = [part for delta in deltas for part in delta.parts if isinstance(part, CallEnded)]
    assert ended == [CallEnded(tool.named, '{"city": "Tokyo"}')]
    assert "".join(delta.text for delta in deltas) == ""


@pytest.mark.parametrize(
    ("request_", "status", "param"),
    [
        (GenerationRequest(HELLO, sampling=SamplingParameters(temperature=9)), 400, "temperature"),
        (GenerationRequest(HELLO, sampling=SamplingParameters(top_p=float("nan"))), 400, "top_p"),
        (GenerationRequest(), 400, None),
        (GenerationRequest(HELLO, model="gone"), 404, None),
    ],
)
def test_what_cannot_be_served_is_refused_with_its_status(
    live_host: LiveHost, request_: GenerationRequest, status: int, param: str | None
) -> None:
    answer = httpx2.post(
        f"{live_host.url}/generate", headers=HEADERS, content=encode_request(request_), timeout=PATIENCE
    )

    assert (answer.status_code, answer.json()["error"]["param"]) == (status, param)


def test_what_is_no_request_is_refused(live_host: LiveHost) -> None:
    answer = httpx2.post(f"{live_host.url}/generate", headers=HEADERS, content=b'{"messages": 3}')

    assert answer.status_code == 400
    assert "Not a request" in answer.json()["error"]["message"]


def test_an_answer_that_is_cancelled_says_what_it_took_in_every_api(live_host: LiveHost) -> None:
    async def ask(path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {**HEADERS, "session-id": f"cancelled{path}"}
        async with httpx2.AsyncClient(base_url=live_host.url, headers=headers, timeout=PATIENCE) as client:
            answer = asyncio.create_task(client.post(path, json=body))
            while not (await client.post("/cancel", json={})).json()["cancelled"]:
                pass
            return (await answer).json()

    endless = {"type": "array", "minItems": 400, "items": {"enum": [1, 2]}}
    schema = {"name": "x", "schema": endless}
    chat = asyncio.run(
        ask(
            "/v1/chat/completions",
            {
                "model": "tiny",
                "messages": [{"role": "user", "content": "hello"}],
                "response_format": {"type": "json_schema", "json_schema": schema},
            },
        )
    )
    response = asyncio.run(
        ask(
            "/v1/responses",
            {"model": "tiny", "input": "hello", "text": {"format": {"type": "json_schema", **schema}}},
        )
    )

    assert (chat["choices"][0]["finish_reason"], chat["windows_ai"]["cancelled"]) == ("length", True)
    assert chat["usage"]["prompt_tokens"] > 0
    assert (response["status"], response["incomplete_details"]) == ("incomplete", {"reason": "cancelled"})
