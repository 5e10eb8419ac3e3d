"""What the chat door refuses, in the shape that makes the real OpenAI client raise the right exception."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from openai import OpenAI

from codex_windows_ai.api.anthropic.request import MessagesRequest
from codex_windows_ai.api.openai.body import NOT_SUPPORTED, OpenAIBody
from codex_windows_ai.api.openai.chat.request import ChatRequest
from codex_windows_ai.api.openai.completions.request import CompletionRequest
from codex_windows_ai.api.openai.responses.request import ResponsesRequest
from codex_windows_ai.api.shared.body import ASKS_NOTHING
from tests.engine.tiny_model import CONTEXT
from tests.engine.turnstile import Turnstile
from tests.host.live import LiveHost
from tests.hosting import TOKEN

HELLO: list[Any] = [{"role": "user", "content": "hello"}]
FUNCTION: Any = {"type": "function", "function": {"name": "f"}}
IMAGE: Any = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
ALLOWED: Any = {"mode": "auto", "tools": [FUNCTION, {"type": "function", "function": {"name": "g"}}]}
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
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"web_search_options": {}}, "web_search_options"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"temperature": 9}, "temperature"),
        ({"temperature": "warm"}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -2}, "max_tokens"),
        ({"provider": "cloud"}, "provider"),
        ({"provider": "engine:npu"}, "provider"),
        ({"messages": []}, "messages"),
        ({"messages": None}, "messages"),
        ({"messages": ["hi"]}, "messages[0]"),
        ({"messages": [{"role": "robot", "content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"content": "hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [IMAGE]}]}, "messages[0].content[0].type"),
        ({"messages": [{"role": "user", "content": [AUDIO]}]}, "messages[0].content[0].type"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"top_logprobs": 21, "logprobs": True}, "top_logprobs"),
        ({"tools": [{"name": "f"}]}, "tools[0].type"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"tools": [FUNCTION], "tool_choice": {"type": "function", "function": {"name": "g"}}}, "tool_choice"),
        ({"tools": [FUNCTION], "tool_choice": {"type": "function"}}, "tool_choice"),
        (
            {"tools": [FUNCTION], "tool_choice": {"type": "allowed_tools", "allowed_tools": ALLOWED}},
            "tool_choice.allowed_tools.tools[1]",
        ),
        (
            {"tools": [FUNCTION], "tool_choice": {"type": "allowed_tools", "allowed_tools": {**ALLOWED, "tools": []}}},
            "tool_choice.allowed_tools.tools",
        ),
        ({"stop": ""}, "stop"),
        ({"stop": ["a", ""]}, "stop"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tool_choice": "required", "tools": [{"type": "retrieval"}]}, "tool_choice"),
        ({"response_format": {"type": "xml"}}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        ({"response_format": {"type": "json_schema", "json_schema": {}}}, "response_format.json_schema.schema"),
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
    ("parameters", "words"),
    [
        ({"messages": "hi"}, '`messages` must be a list (found: "hi").'),
        ({"messages": []}, "`messages`: list should have at least 1 item, not 0 (found: [])."),
        ({"tool_choice": 5}, "`tool_choice` must be text or an object (found: 5)."),
        ({"tools": {}}, "`tools` must be a list (found: {})."),
        ({"stop": 5}, "`stop` must be text or a list (found: 5)."),
        ({"stop": ["a"] * 65}, "`stop`: list should have at most 64 items, not 65 (found: "),
        ({"max_tokens": "5"}, '`max_tokens` must be a whole number (found: "5").'),
        ({"max_tokens": 0}, "`max_tokens`: must be at least 1, or -1 for no limit (found: 0)."),
        ({"temperature": "warm"}, '`temperature` must be a number (found: "warm").'),
        ({"stream": 1}, "`stream` must be true or false (found: 1)."),
        ({"stream_options": []}, "`stream_options` must be an object (found: [])."),
        (
            {"response_format": {"type": "xml"}},
            "its `type` must be one of 'text', 'json_object', 'json_schema' (found: ",
        ),
        ({"response_format": {}}, "`response_format`: it has no `type` (found: {})."),
        ({"response_format": "json"}, '`response_format` must be an object (found: "json").'),
        ({"tools": [FUNCTION], "tool_choice": {"type": "function"}}, "`tool_choice` must name a tool; offered: `f`."),
    ],
)
def test_a_refusal_says_in_words_of_json_what_must_be_there(
    openai_client: OpenAI, parameters: dict[str, Any], words: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        ask(openai_client, parameters)

    assert words in caught.value.message


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
    ],
)
def test_a_body_that_is_no_json_object_is_refused(live_host: LiveHost, body: bytes) -> None:
    headers = {"authorization": f"Bearer {TOKEN}"}
    answer = httpx2.post(f"{live_host.url}/v1/chat/completions", content=body, headers=headers)

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "invalid_request"


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
def test_a_body_that_is_not_utf8_is_told_how_to_be_sent(live_host: LiveHost, encoding: str) -> None:
    body = '{"model": "tiny", "messages": [{"role": "user", "content": "café"}]}'.encode(encoding)
    headers = {"authorization": f"Bearer {TOKEN}", "content-type": f"application/json; charset={encoding}"}

    error = httpx2.post(f"{live_host.url}/v1/chat/completions", content=body, headers=headers).json()["error"]

    assert "is not UTF-8" in error["message"]
    assert "PowerShell" in error["hint"]


def test_the_document_names_every_parameter() -> None:
    document = (Path(__file__).parents[3] / "docs" / "http.md").read_text(encoding="utf-8")
    parameters = document.partition("## Parameters")[2].partition("\n## ")[0]

    named = OpenAIBody.model_fields.keys() | ASKS_NOTHING.keys() | NOT_SUPPORTED.keys()
    assert [name for name in sorted(named) if f"`{name}" not in parameters] == []
    assert NOT_SUPPORTED.keys() <= OpenAIBody.model_fields.keys()
    sections = {
        ChatRequest: "## POST /v1/chat/completions",
        ResponsesRequest: "## POST /v1/responses",
        MessagesRequest: "## POST /v1/messages",
        CompletionRequest: "## POST /v1/completions",
    }
    for body, section in sections.items():
        own = document.partition(section)[2].partition("\n## ")[0]
        assert [name for name in body.model_fields if f"`{name}" not in parameters + own] == []


def test_a_strict_schema_that_cannot_be_followed_is_refused(openai_client: OpenAI) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"type": "nonsense"}, "strict": True}}
    with pytest.raises(openai.BadRequestError) as caught:
        ask(openai_client, {"response_format": form})

    assert caught.value.code == "invalid_grammar"
    assert caught.value.param == "response_format.json_schema.schema"
    assert "nonsense. Send it without `strict`" in caught.value.message


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
        ("POST", "/embeddings", 404, "unknown_url"),
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
