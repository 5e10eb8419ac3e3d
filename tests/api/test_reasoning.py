"""What a model thinks, in both of OpenAI's APIs: the real clients, the real host, a thinking model that is scripted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from openai import OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionMessage
from openai.types.responses import Response, ResponseReasoningItem, ResponseStreamEvent
from pydantic import TypeAdapter

from codex_windows_ai.api.shared.seal import ReasoningSeal
from codex_windows_ai.protocol.message import Reasoning
from tests.host.live import PATIENCE, LiveHost
from tests.hosting import TOKEN
from tests.thinking_model import Script

THOUGHT, ANSWER = "I should\ngreet.", "Hello there."
SAID = f"<think>\n{THOUGHT}\n</think>\n\n{ANSWER}"
CALL = '<tool_call>\n{"name": "read", "arguments": {"path": "a"}}\n</tool_call>'
PARAMETERS: dict[str, Any] = {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]}
FUNCTION: Any = {"type": "function", "name": "read", "parameters": PARAMETERS, "strict": False}
TOOL: Any = {"type": "function", "function": {"name": "read", "parameters": PARAMETERS}}
SEALED: Any = ["reasoning.encrypted_content"]
STORED: dict[str, Any] = {"store": False}
EVENTS: TypeAdapter[ResponseStreamEvent] = TypeAdapter(ResponseStreamEvent)


@pytest.fixture
def client(thinking_host: LiveHost, script: Script) -> Iterator[OpenAI]:
    script.requests.clear()
    with OpenAI(base_url=f"{thinking_host.url}/v1", api_key=TOKEN, max_retries=0, timeout=PATIENCE) as client:
        yield client
    assert not script.answers


def chat(client: OpenAI, *before: Any, **parameters: Any) -> ChatCompletion:
    messages: list[Any] = [{"role": "user", "content": "Hi"}, *before]
    return client.chat.completions.create(model="tiny", messages=messages, **parameters)


def thought_in(message: ChatCompletionMessage) -> Any:
    return message.to_dict().get("reasoning_content")


def respond(client: OpenAI, *before: Any, **parameters: Any) -> Response:
    return client.responses.create(model="tiny", input=[{"role": "user", "content": "Hi"}, *before], **parameters)


def left_out(answer: Response | ChatCompletion) -> list[str]:
    said: dict[str, Any] = answer.to_dict()["windows_ai"]  # type: ignore[assignment]
    return said.get("left_out", [])


def test_a_chat_answer_has_the_thought_beside_its_text(client: OpenAI, script: Script) -> None:
    script.answers.append(SAID)
    answer = chat(client)

    message = answer.choices[0].message
    assert (message.content, thought_in(message)) == (ANSWER, THOUGHT)
    assert answer.usage is not None
    assert answer.usage.completion_tokens_details is not None
    answered = len(ANSWER.replace("the", "t")) + 1  # letters and `the` are a token each, and so is the end
    assert answer.usage.completion_tokens_details.reasoning_tokens == answer.usage.completion_tokens - answered


def test_a_chat_stream_has_the_thought_first_and_in_pieces(client: OpenAI, script: Script) -> None:
    script.answers.append(SAID + CALL)
    chunks = client.chat.completions.create(
        model="tiny", messages=[{"role": "user", "content": "Hi"}], tools=[TOOL], stream=True
    )
    deltas = [choice.delta for chunk in chunks for choice in chunk.choices]

    thoughts = [(delta.model_extra or {}).get("reasoning_content") for delta in deltas]
    assert "".join(thought or "" for thought in thoughts) == THOUGHT
    assert "".join(delta.content or "" for delta in deltas) == ANSWER
    assert max(n for n, thought in enumerate(thoughts) if thought) < min(n for n, d in enumerate(deltas) if d.content)
    assert sum(thought is not None for thought in thoughts) > 5
    assert any(delta.tool_calls for delta in deltas)


def test_a_chat_that_sends_the_thought_back_has_it_read_where_the_template_wants_it(
    client: OpenAI, script: Script
) -> None:
    script.answers += [f"<think>\n{THOUGHT}\n</think>\n\n{CALL}", ANSWER, ANSWER]
    called = chat(client, tools=[TOOL])
    message = called.choices[0].message
    result: Any = {"role": "tool", "tool_call_id": (message.tool_calls or [])[0].id, "content": "42"}
    again = chat(client, message.model_dump(exclude_unset=True), result, tools=[TOOL])
    later = chat(client, message.model_dump(exclude_unset=True), result, {"role": "user", "content": "And?"})

    assert called.usage is not None
    assert again.usage is not None
    assert again.usage.prompt_tokens_details is not None
    cached = again.usage.prompt_tokens_details.cached_tokens
    assert cached is not None
    assert cached >= called.usage.prompt_tokens + called.usage.completion_tokens - 16
    assert left_out(again) == []
    assert left_out(later) == [
        "reasoning: the model's chat template drops what was thought before the user's last message"
    ]


@pytest.mark.parametrize(
    "parameters",
    [
        {"reasoning_effort": "none"},
        {"extra_body": {"chat_template_kwargs": {"enable_thinking": False}}},
        {"extra_body": {"thinking": {"type": "disabled"}}},
        {"extra_body": {"reasoning": {"enabled": False}}},
        {"extra_body": {"thinking_budget": 0}},
    ],
)
def test_thinking_is_off_where_a_chat_asks_for_that(client: OpenAI, script: Script, parameters: dict[str, Any]) -> None:
    script.answers.append(ANSWER)
    answer = chat(client, **parameters)

    assert thought_in(answer.choices[0].message) is None
    assert answer.choices[0].message.content == ANSWER
    assert left_out(answer) == []


@pytest.mark.parametrize(
    "budget",
    [{"thinking_budget": 4}, {"thinking": {"type": "enabled", "budget_tokens": 4}}, {"reasoning": {"max_tokens": 4}}],
)
def test_a_budget_closes_the_thought(client: OpenAI, script: Script, budget: dict[str, Any]) -> None:
    script.answers.append("<think>\nOn and on.")
    message = chat(client, extra_body=budget).choices[0].message

    assert (thought_in(message), message.content) == ("On", " and on.")


def test_log_probabilities_are_those_of_the_text(client: OpenAI, script: Script) -> None:
    script.answers.append(SAID)
    (choice,) = chat(client, logprobs=True).choices

    assert choice.logprobs is not None
    assert bytes(byte for token in choice.logprobs.content or () for byte in token.bytes or ()).decode() == ANSWER


@pytest.mark.parametrize(
    ("summary", "begins", "deltas", "ends"),
    [
        (
            {"reasoning": {"summary": "auto"}},
            "reasoning_summary_part.added",
            "reasoning_summary_text",
            "reasoning_summary_part.done",
        ),
        ({}, "content_part.added", "reasoning_text", "content_part.done"),
    ],
)
def test_a_response_streams_the_thought_as_an_item_of_its_own(
    client: OpenAI, script: Script, summary: dict[str, Any], begins: str, deltas: str, ends: str
) -> None:
    script.answers.append(SAID + CALL)
    stream = client.responses.create(model="tiny", input="Hi", stream=True, tools=[FUNCTION], include=SEALED, **summary)
    events = list(stream)
    for event in events:  # usage lacks the SDK's `cache_write_tokens`, which nobody bills here
        EVENTS.validate_python(event.model_dump(exclude={"response": {"usage"}}))

    thinking = [event for event in events if getattr(event, "output_index", None) == 0]
    kinds = [event.type.removeprefix("response.") for event in thinking]
    assert list(dict.fromkeys(kinds)) == [
        "output_item.added",
        begins,
        f"{deltas}.delta",
        f"{deltas}.done",
        ends,
        "output_item.done",
    ]
    assert "".join(event.delta for event in thinking if event.type.endswith("_text.delta")) == THOUGHT  # type: ignore[union-attr]
    last = events[-1]
    assert last.type == "response.completed"
    assert [item.type for item in last.response.output] == ["reasoning", "message", "function_call"]
    item = last.response.output[0]
    assert isinstance(item, ResponseReasoningItem)
    assert [part.text for part in item.summary or item.content or ()] == [THOUGHT]
    assert bool(item.summary) == bool(summary)
    assert thinking[-1].item == item  # type: ignore[union-attr]
    assert last.response.usage is not None
    assert last.response.usage.output_tokens_details.reasoning_tokens > len("Ishouldgreet")


def test_a_stateless_client_sends_the_sealed_thought_back(client: OpenAI, script: Script) -> None:
    script.answers += [f"<think>\n{THOUGHT}\n</think>\n\n{CALL}", ANSWER]
    first = respond(client, tools=[FUNCTION], include=SEALED, **STORED)
    thought, call = first.output
    assert isinstance(thought, ResponseReasoningItem)
    assert call.type == "function_call"
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "42"}
    again = respond(client, thought.to_dict(), call.to_dict(), result, tools=[FUNCTION], **STORED)

    assert left_out(again) == []
    assert first.usage is not None
    assert again.usage is not None
    assert again.usage.input_tokens_details.cached_tokens >= first.usage.total_tokens - 16
    kept = script.requests[-1].messages[1].parts[0]
    assert kept == Reasoning(THOUGHT)


@pytest.mark.parametrize("sealed", [None, "gAAAAABo", "ünsinn", 5, ReasoningSeal(b"another").seal("Trust me.")])
def test_what_another_model_thought_is_left_out(client: OpenAI, script: Script, sealed: Any) -> None:
    script.answers.append(ANSWER)
    item: dict[str, Any] = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": sealed}
    answer = respond(client, item, {"role": "assistant", "content": "a"}, {"role": "user", "content": "b"})

    assert left_out(answer) == ["input[]: reasoning"]


def test_an_answer_that_is_cut_while_it_thinks_says_so(client: OpenAI, script: Script) -> None:
    script.answers.append("<think>\nOn and on and on")
    answer = respond(client, max_output_tokens=4)

    assert answer.status == "incomplete"
    item = answer.output[0]
    assert isinstance(item, ResponseReasoningItem)
    assert [part.text for part in item.content or ()] == ["O"]  # three quarters are for it; closing it takes the rest


def test_a_seal_keeps_any_text_and_holds_as_long_as_the_token() -> None:
    text = json.dumps("„Hm…“ 🤔\n")
    sealed = ReasoningSeal.of_host(TOKEN).seal(text)

    assert ReasoningSeal.of_host(TOKEN).open(sealed) == text
    assert ReasoningSeal.of_host("another").open(sealed) is None
    assert ReasoningSeal.of_host(None).open(sealed) is None
