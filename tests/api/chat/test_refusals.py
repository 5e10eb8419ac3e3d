"""What the chat door refuses, in the shape that makes the real OpenAI client raise the right exception."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from openai import OpenAI

from codex_windows_ai.api.openai.chat.request import NOT_SUPPORTED, ChatRequest
from tests.engine.tiny_model import CONTEXT
from tests.engine.turnstile import Turnstile
from tests.host.live import LiveHost
from tests.hosting import TOKEN

HELLO: list[Any] = [{"role": "user", "content": "hello"}]
FUNCTION: Any = {"type": "function", "function": {"name": "f"}}
IMAGE: Any = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
AUDIO: Any = {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}}


def ask(client: OpenAI, parameters: dict[str, Any]) -> Any:
    body: dict[str, Any] = {"model": "tiny", "messages": HELLO, "max_tokens": 3} | parameters
    return client.post("/chat/completions", cast_to=object, body=body)


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"n": 2}, "n"),
        ({"logit_bias": {"1": 5}}, "logit_bias"),
        ({"functions": []}, "functions"),
        ({"reasoning_effort": "high"}, "reasoning_effort"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"temperature": 9}, "temperature"),
        ({"temperature": "warm"}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 3, "max_completion_tokens": 4}, "max_tokens"),
        ({"provider": "cloud"}, "provider"),
        ({"provider": "engine:npu"}, "provider"),
        ({"messages": []}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": [{"role": "robot", "content": "hi"}]}, "messages[0]"),
        ({"messages": [{"role": "user"}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [IMAGE]}]}, "messages[0].content[0]"),
        ({"messages": [{"role": "user", "content": [AUDIO]}]}, "messages[0].content[0]"),
        ({"messages": [*HELLO, {"role": "tool", "tool_call_id": "x", "content": "y"}]}, "messages[1].tool_call_id"),
        ({"messages": [*HELLO, {"role": "assistant"}]}, "messages[1]"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"top_logprobs": 21, "logprobs": True}, "top_logprobs"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"tools": [{"type": "retrieval"}]}, "tools[0]"),
        ({"tools": [FUNCTION, FUNCTION]}, "tools"),
        ({"tools": [FUNCTION], "tool_choice": {"type": "function", "function": {"name": "g"}}}, "tool_choice"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
    ],
)
def test_a_parameter_that_cannot_be_served_is_refused_by_name(
    openai_client: OpenAI, parameters: dict[str, Any], param: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(openai_client, parameters)

    assert caught.value.param == param
    assert caught.value.type == "invalid_request_error"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'{"model": NaN}',
        b"[" * 100_000,
        b"\xff\xfe\x00",
        b'{"model": "\\ud800"}',
        b'{"\\udc00": 1, "model": "tiny", "messages": []}',
    ],
)
def test_a_body_that_is_no_json_object_is_refused(live_host: LiveHost, body: bytes) -> None:
    headers = {"authorization": f"Bearer {TOKEN}"}
    answer = httpx2.post(f"{live_host.url}/v1/chat/completions", content=body, headers=headers)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_request"


def test_the_document_names_every_parameter() -> None:
    section = (
        (Path(__file__).parents[3] / "docs" / "http.md")
        .read_text(encoding="utf-8")
        .partition("## POST /v1/chat/completions")[2]
    )
    section = section.partition("\n## ")[0]

    assert [name for name in ChatRequest.model_fields if f"`{name}" not in section] == []
    assert NOT_SUPPORTED.keys() <= ChatRequest.model_fields.keys()


def test_a_schema_that_cannot_be_followed_is_refused(openai_client: OpenAI) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nonsense"}}}
    with pytest.raises(openai.BadRequestError) as caught:
        ask(openai_client, {"response_format": form})

    assert caught.value.code == "invalid_grammar"


@pytest.mark.parametrize("stream", [False, True])
def test_a_prompt_longer_than_the_window_is_refused_with_the_numbers(openai_client: OpenAI, stream: bool) -> None:
    messages = [{"role": "user", "content": "x" * CONTEXT}]
    with pytest.raises(openai.BadRequestError) as caught:
        ask(openai_client, {"messages": messages, "stream": stream})

    assert caught.value.code == "context_length_exceeded"
    assert str(CONTEXT) in caught.value.message


def test_another_model_is_not_found(openai_client: OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        ask(openai_client, {"model": "gpt-6"})

    assert caught.value.code == "model_not_found"


def test_another_token_is_not_let_in(live_host: LiveHost) -> None:
    with (
        OpenAI(base_url=f"{live_host.url}/v1", api_key=f"not-{TOKEN}", max_retries=0) as client,
        pytest.raises(openai.AuthenticationError) as caught,
    ):
        ask(client, {})

    assert caught.value.code == "invalid_api_key"


def test_a_body_of_many_megabytes_is_refused(openai_client: OpenAI) -> None:
    with pytest.raises(openai.APIStatusError) as caught:
        ask(openai_client, {"user": "x" * 17_000_000})

    assert caught.value.status_code == 413
    assert caught.value.code == "request_too_large"


def test_a_full_queue_says_when_to_come_back(
    live_host: LiveHost, openai_client: OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(live_host.engine.core.scheduler.waiting, "limit", 0)
    with pytest.raises(openai.RateLimitError) as caught:
        ask(openai_client, {"stream": True})

    assert caught.value.code == "rate_limit_exceeded"
    assert int(caught.value.response.headers["retry-after"]) >= 1


def test_an_error_in_mid_stream_reaches_the_client(
    live_host: LiveHost, openai_client: OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    turnstile = Turnstile(live_host.engine, monkeypatch)
    stream = openai_client.chat.completions.create(model="tiny", messages=HELLO, stream=True)
    assert next(stream).choices[0].delta.role == "assistant"
    turnstile.wait_for_arrival()

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("the device is gone")

    monkeypatch.setattr(live_host.engine.core.model, "forward", fail)
    turnstile.open()
    with pytest.raises(openai.APIError) as caught:
        list(stream)

    assert caught.value.code == "engine_error"
    assert "the device is gone" in caught.value.message


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/completions", 404, "unknown_url"),
        ("GET", "/nothing", 404, "unknown_url"),
        ("GET", "/chat/completions", 405, "method_not_supported"),
    ],
)
def test_what_is_not_here_is_refused_in_the_same_shape(
    openai_client: OpenAI, method: str, path: str, status: int, code: str
) -> None:
    call = openai_client.post if method == "POST" else openai_client.get
    with pytest.raises(openai.APIStatusError) as caught:
        call(path, cast_to=object)

    assert (caught.value.status_code, caught.value.code) == (status, code)
    if status == 404:
        assert "/v1/chat/completions" in caught.value.message


def test_what_is_not_known_is_left_out_and_named(openai_client: OpenAI) -> None:
    messages = [{"role": "user", "content": "hello", "cache_control": {"type": "ephemeral"}}]

    answer = ask(openai_client, {"messages": messages, "colour": "blue"})

    assert answer["windows_ai"]["left_out"] == ["colour", "messages[].cache_control"]
