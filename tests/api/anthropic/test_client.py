"""POST /v1/messages, as Anthropic's own SDK asks and reads it."""

from __future__ import annotations

import json
from typing import Any

import anthropic
import httpx2
import pytest
from anthropic import Anthropic

from tests.api.anthropic.conftest import WINDOW
from tests.host.live import LiveHost
from tests.hosting import TOKEN

HELLO: Any = [{"role": "user", "content": "hello"}]
TOOL: Any = {
    "name": "time_in",
    "description": "The time in a city.",
    "input_schema": {"type": "object", "properties": {"city": {"enum": ["Tokyo"]}}, "required": ["city"]},
}


def ask(client: Anthropic, **parameters: Any) -> Any:
    return client.messages.create(**{"model": "tiny", "messages": HELLO, "max_tokens": 5, **parameters})


def test_a_message_is_whole(client: Anthropic) -> None:
    message = ask(client)

    assert (message.type, message.role, message.model) == ("message", "assistant", "tiny")
    assert message.content[0].type == "text"
    assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 5)
    assert message.windows_ai["provider"] == "engine"


def test_a_stream_comes_to_the_same(client: Anthropic) -> None:
    with client.messages.stream(model="tiny", messages=HELLO, max_tokens=5) as stream:
        text = "".join(stream.text_stream)
        message = stream.get_final_message()

    assert text == ask(client).content[0].text
    assert message.content[0].text == text
    assert message.stop_reason == "max_tokens"
    assert (message.usage.input_tokens + (message.usage.cache_read_input_tokens or 0), message.usage.output_tokens) == (
        client.messages.count_tokens(model="tiny", messages=HELLO).input_tokens,
        5,
    )


def test_what_the_prefix_cache_had_was_not_read(client: Anthropic) -> None:
    first = ask(client, system="You know the way to Bremen.").usage
    again = ask(client, system="You know the way to Bremen.").usage

    assert again.cache_read_input_tokens > first.cache_read_input_tokens
    assert again.input_tokens + again.cache_read_input_tokens == first.input_tokens + first.cache_read_input_tokens


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "time_in"}])
def test_a_tool_is_called_and_its_result_taken_back(client: Anthropic, choice: Any) -> None:
    once = {**choice, "disable_parallel_tool_use": True}
    message = ask(client, tools=[TOOL], tool_choice=once, max_tokens=200)

    (call,) = message.content
    assert (call.type, call.name, call.input) == ("tool_use", "time_in", {"city": "Tokyo"})
    assert message.stop_reason == "tool_use"

    result = {"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": "noon"}]}
    history = [*HELLO, {"role": "assistant", "content": message.content}, {"role": "user", "content": [result]}]
    answer = ask(client, tools=[TOOL], messages=history)
    assert answer.content[0].type == "text"
    assert "left_out" not in answer.windows_ai


def test_a_call_is_streamed(client: Anthropic) -> None:
    once: Any = {"type": "any", "disable_parallel_tool_use": True}
    with client.messages.stream(model="tiny", messages=HELLO, tools=[TOOL], tool_choice=once, max_tokens=200) as stream:
        pieces = [event.partial_json for event in stream if event.type == "input_json"]
        (call,) = stream.get_final_message().content

    assert (call.type, call.name, call.input) == ("tool_use", "time_in", {"city": "Tokyo"})
    assert json.loads("".join(pieces)) == call.input


def test_a_stop_sequence_is_named(client: Anthropic) -> None:
    text = ask(client, max_tokens=20).content[0].text
    message = ask(client, max_tokens=20, stop_sequences=["never", text[1]])

    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", text[1])
    assert text.startswith(message.content[0].text)


def test_of_no_tokens_the_prompt_is_read_and_nothing_said(client: Anthropic) -> None:
    message = ask(client, max_tokens=0, system="A prompt that nobody sent before.")

    assert (message.content, message.stop_reason) == ([], "max_tokens")
    assert ask(client, system="A prompt that nobody sent before.").usage.cache_read_input_tokens > 10


def test_models_are_listed_for_its_clients(client: Anthropic) -> None:
    (model,) = client.models.list(limit=1000).data

    assert (model.id, model.type, model.max_input_tokens) == ("tiny", "model", WINDOW)
    assert client.models.retrieve("tiny") == model


def test_a_prompt_that_is_too_long_is_refused_in_the_words_that_clients_look_for(client: Anthropic) -> None:
    fits = [{"role": "user", "content": "a b c d " * 100}]
    counted = client.messages.count_tokens(model="tiny", messages=fits).input_tokens
    with pytest.raises(anthropic.BadRequestError) as caught:
        ask(client, messages=[{"role": "user", "content": "a b c d " * (100 * WINDOW // counted + 100)}])

    body: Any = caught.value.body
    assert body["type"] == "error"
    assert body["error"]["type"] == "invalid_request_error"
    words = body["error"]["message"].split()
    assert " ".join(words[:4]) == "prompt is too long:"
    assert (int(words[4]) > WINDOW, words[5:]) == (True, ["tokens", ">", str(WINDOW - 1), "maximum"])


def test_the_wrong_key_is_the_only_unauthorised_one(roomy_host: LiveHost) -> None:
    url = f"{roomy_host.url}/v1/messages"
    body = {"model": "tiny", "messages": HELLO, "max_tokens": 1}

    wrong = httpx2.post(url, json=body, headers={"x-api-key": "another"})
    assert (wrong.status_code, wrong.json()["error"]["type"]) == (401, "authentication_error")
    for headers in ({"x-api-key": TOKEN}, {"authorization": f"Bearer {TOKEN}", "x-api-key": "another"}):
        assert httpx2.post(url, json=body, headers=headers).status_code == 200
        assert httpx2.post(url, json={"model": "tiny"}, headers=headers).status_code == 400
    unknown = httpx2.get(f"{roomy_host.url}/v1/files", headers={"x-api-key": TOKEN, "anthropic-version": "2023-06-01"})
    assert (unknown.status_code, unknown.json()["error"]["type"]) == (404, "not_found_error")
