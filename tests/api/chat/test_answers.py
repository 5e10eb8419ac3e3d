"""What the real OpenAI client makes of answers: whole, in pieces, as JSON, with log-probabilities."""

from __future__ import annotations

import json
from typing import Any, Literal

import httpx2
import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from pydantic import BaseModel

from tests.host.live import PATIENCE, LiveHost
from tests.hosting import TOKEN

HELLO: list[Any] = [{"role": "user", "content": "hello"}]
WORD: Any = {
    "type": "json_schema",
    "json_schema": {"name": "word", "schema": {"type": "string", "pattern": "^[a-z]{20}$"}},
}

# The tiny model is all too sure of itself.
VARIED: dict[str, Any] = {"temperature": 2, "frequency_penalty": 2}


class Weather(BaseModel):
    city: Literal["Paris", "Tokyo"]
    degrees: Literal[10, 20]


def ask(client: OpenAI, **parameters: Any) -> ChatCompletion:
    return client.chat.completions.create(**({"model": "tiny", "messages": HELLO, "max_tokens": 12} | parameters))


def ask_in_pieces(client: OpenAI, **parameters: Any) -> list[ChatCompletionChunk]:
    parameters = {"model": "tiny", "messages": HELLO, "max_tokens": 12, "stream": True} | parameters
    return list(client.chat.completions.create(**parameters))


def text_of(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def source_of(answer: ChatCompletion | ChatCompletionChunk) -> dict[str, Any]:
    return (answer.model_extra or {})["windows_ai"]


def test_a_prompt_ends_in_the_assistants_last_words(openai_client: OpenAI) -> None:
    asked = ask(openai_client, max_tokens=1)

    begun = ask(openai_client, max_tokens=1, messages=[*HELLO, {"role": "assistant", "content": "Paris"}])

    assert asked.usage is not None
    assert begun.usage is not None
    assert begun.usage.prompt_tokens == asked.usage.prompt_tokens + len("Paris")  # and nothing behind them


def test_a_whole_answer_says_what_it_took_and_who_gave_it(openai_client: OpenAI) -> None:
    answer = ask(openai_client, max_tokens=5)

    (choice,) = answer.choices
    assert (choice.index, choice.finish_reason, choice.message.role) == (0, "length", "assistant")
    assert choice.message.content
    assert choice.logprobs is choice.message.tool_calls is choice.message.refusal is None
    assert (answer.object, answer.model) == ("chat.completion", "tiny")
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 5
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + 5
    source = source_of(answer)
    assert (source["provider"], source["model"], source["transport"]) == ("engine", "tiny", "http")
    assert source["timings_ms"]["total"] >= source["timings_ms"]["decode"] >= 0


def test_the_pieces_of_a_stream_are_the_whole_answer(openai_client: OpenAI) -> None:
    whole = ask(openai_client, **VARIED, seed=7)
    chunks = ask_in_pieces(openai_client, **VARIED, seed=7)

    assert text_of(chunks) == whole.choices[0].message.content
    assert chunks[0].choices[0].delta.role == "assistant"
    assert [chunk.choices[0].finish_reason for chunk in chunks[-2:]] == [None, "length"]
    assert len({chunk.id for chunk in chunks}) == 1
    assert all(chunk.usage is None for chunk in chunks)
    assert source_of(chunks[-1])["timings_ms"]["total"] > 0
    assert chunks[-1].system_fingerprint == whole.system_fingerprint


def test_usage_comes_in_a_chunk_of_its_own_where_it_is_asked_for(openai_client: OpenAI) -> None:
    *chunks, last = ask_in_pieces(openai_client, stream_options={"include_usage": True})

    assert last.choices == []
    assert last.usage is not None
    assert last.usage.completion_tokens == 12
    assert source_of(last)["provider"] == "engine"
    assert all("usage" in chunk.model_fields_set and chunk.usage is None for chunk in chunks)


def test_an_answer_ends_before_its_stop_string(openai_client: OpenAI) -> None:
    answer = ask(openai_client, response_format=WORD, max_tokens=40)
    word = json.loads(answer.choices[0].message.content or "")
    stop = word[8:10]
    stopped = ask(openai_client, response_format=WORD, max_tokens=40, stop=[stop, "never"])

    assert len(word) == 20
    assert stopped.choices[0].message.content == f'"{word}"'.partition(stop)[0]
    assert stopped.choices[0].finish_reason == "stop"


def test_the_client_parses_an_answer_into_its_own_type(openai_client: OpenAI) -> None:
    answer = openai_client.chat.completions.parse(
        model="tiny", messages=HELLO, response_format=Weather, seed=1, temperature=1
    )

    assert isinstance(answer.choices[0].message.parsed, Weather)
    assert answer.choices[0].finish_reason == "stop"


def test_a_json_object_is_what_comes_where_one_is_asked_for(openai_client: OpenAI) -> None:
    answer = ask(openai_client, response_format={"type": "json_object"}, max_tokens=400, temperature=1, seed=3)

    content = answer.choices[0].message.content or ""
    assert content.startswith("{")
    assert answer.choices[0].finish_reason == "length" or isinstance(json.loads(content), dict)


def test_log_probabilities_are_of_the_tokens_that_the_text_is_made_of(openai_client: OpenAI) -> None:
    answer = ask(openai_client, response_format=WORD, max_tokens=40, logprobs=True, top_logprobs=3)

    (choice,) = answer.choices
    assert choice.logprobs is not None
    tokens = choice.logprobs.content or []
    assert b"".join(bytes(token.bytes or []) for token in tokens).decode() == choice.message.content
    for token in tokens:
        logprobs = [other.logprob for other in token.top_logprobs]
        assert len(logprobs) == 3
        assert logprobs == sorted(logprobs, reverse=True)
        assert token.logprob <= logprobs[0] <= 0


def test_pieces_carry_the_log_probabilities_of_their_own_tokens(openai_client: OpenAI) -> None:
    parameters = {"response_format": WORD, "max_tokens": 40, "logprobs": True, "seed": 5}
    whole = ask(openai_client, **parameters).choices[0]
    chunks = ask_in_pieces(openai_client, **parameters)

    choices = [choice for chunk in chunks for choice in chunk.choices]
    for choice in choices:
        tokens = (choice.logprobs.content if choice.logprobs else None) or []
        assert "".join(token.token for token in tokens) == (choice.delta.content or "")
        assert all(token.top_logprobs == [] for token in tokens)
    flat = [token for choice in choices if choice.logprobs for token in choice.logprobs.content or []]
    assert whole.logprobs is not None
    assert flat == whole.logprobs.content


def test_tokens_of_a_stop_string_have_no_log_probabilities(openai_client: OpenAI) -> None:
    word = ask(openai_client, response_format=WORD, max_tokens=40).choices[0].message.content or ""
    choice = ask(openai_client, response_format=WORD, max_tokens=40, logprobs=True, stop=word[5:7]).choices[0]

    assert choice.logprobs is not None
    assert "".join(token.token for token in choice.logprobs.content or []) == choice.message.content
    assert choice.message.content == word.partition(word[5:7])[0]


def test_a_later_turn_reads_only_what_is_new(openai_client: OpenAI) -> None:
    conversation = [{"role": "system", "content": "answer as a pirate would, " * 6}, *HELLO]
    first = ask(openai_client, messages=conversation, response_format=WORD, max_tokens=40)
    conversation += [first.choices[0].message, {"role": "user", "content": "and again"}]
    second = ask(openai_client, messages=conversation, response_format=WORD, max_tokens=40)

    assert first.usage is not None
    assert second.usage is not None
    assert second.usage.prompt_tokens_details is not None
    cached = second.usage.prompt_tokens_details.cached_tokens
    assert cached is not None
    assert first.usage.prompt_tokens <= cached < second.usage.prompt_tokens


def test_a_seed_gives_the_same_answer_on_a_busy_host(openai_client: OpenAI) -> None:
    parameters = {**VARIED, "seed": 11, "max_tokens": 60}
    alone = ask(openai_client, **parameters)
    assert (
        alone.choices[0].message.content != ask(openai_client, **parameters | {"seed": 12}).choices[0].message.content
    )
    others = [
        openai_client.chat.completions.create(model="tiny", messages=HELLO, max_tokens=300, temperature=1, stream=True)
        for _ in range(3)
    ]
    for other in others:
        next(iter(other))
    busy = ask(openai_client, **parameters)
    for other in others:
        other.close()

    assert busy.choices[0].message.content == alone.choices[0].message.content
    assert busy.system_fingerprint == alone.system_fingerprint


def test_a_negative_seed_is_a_seed_too(openai_client: OpenAI) -> None:
    negative, same, other = (
        ask(openai_client, **VARIED, seed=seed).choices[0].message.content for seed in (-5, 2**64 - 5, 5)
    )

    assert negative == same != other


@pytest.mark.parametrize("content", ["hello", [{"type": "text", "text": "hello"}]])
def test_text_may_come_in_parts(openai_client: OpenAI, content: Any) -> None:
    messages = [{"role": "developer", "content": content}, {"role": "user", "content": content}]
    answer = ask(openai_client, messages=messages)

    assert answer.usage is not None
    assert answer.usage.prompt_tokens == 2 * len("hello") + len("systemuserassistant") + 2 + 2 + 1 + 5


def test_parameters_that_change_nothing_are_accepted(openai_client: OpenAI) -> None:
    harmless: dict[str, Any] = {
        "user": "me",
        "metadata": {"a": "b"},
        "store": False,
        "service_tier": "auto",
        "n": 1,
        "logit_bias": {},
        "prompt_cache_key": "k",
        "safety_identifier": "s",
        "modalities": ["text"],
        "verbosity": "medium",
        "prediction": {"type": "content", "content": "x"},
        "parallel_tool_calls": True,
    }
    plain, decorated = ask(openai_client, seed=1), ask(openai_client, seed=1, **harmless)

    assert plain.choices[0].message == decorated.choices[0].message


def test_the_stream_is_server_sent_events_that_end_with_done(live_host: LiveHost) -> None:
    body = {"model": "tiny", "messages": HELLO, "max_tokens": 3, "stream": True}
    headers = {"authorization": f"Bearer {TOKEN}"}
    answer = httpx2.post(f"{live_host.url}/v1/chat/completions", json=body, headers=headers, timeout=PATIENCE)

    assert answer.headers["content-type"].startswith("text/event-stream")
    lines = [line for line in answer.text.splitlines() if line]
    assert all(line.startswith("data: ") for line in lines)
    assert lines[-1] == "data: [DONE]"
    assert json.loads(lines[0].removeprefix("data: "))["object"] == "chat.completion.chunk"
