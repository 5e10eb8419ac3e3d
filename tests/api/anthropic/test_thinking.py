"""What a model thinks, in Anthropic's API: its own SDK, the real host, a thinking model that is scripted."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from anthropic import Anthropic

from codex_windows_ai.protocol.message import Reasoning
from tests.host.live import PATIENCE, LiveHost
from tests.hosting import TOKEN
from tests.thinking_model import Script

THOUGHT, ANSWER = "I should\ngreet.", "Hello there."
SAID = f"<think>\n{THOUGHT}\n</think>\n\n{ANSWER}"
HI: Any = {"role": "user", "content": "Hi"}
TOOL: Any = {
    "name": "read",
    "input_schema": {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
}
CALLING = f'<think>\n{THOUGHT}\n</think>\n\n<tool_call>\n{{"name": "read", "arguments": {{"path": "a"}}}}\n</tool_call>'


@pytest.fixture
def client(thinking_host: LiveHost, script: Script) -> Iterator[Anthropic]:
    script.requests.clear()
    with Anthropic(base_url=thinking_host.url, api_key=TOKEN, max_retries=0, timeout=PATIENCE) as client:
        yield client
    assert not script.answers


def ask(client: Anthropic, *after: Any, **parameters: Any) -> Any:
    return client.messages.create(model="tiny", max_tokens=400, messages=[HI, *after], **parameters)


def test_the_thought_is_a_block_before_the_answer(client: Anthropic, script: Script) -> None:
    script.answers.append(SAID)
    message = ask(client)

    thought, words = message.content
    assert (thought.type, thought.thinking, words.type, words.text) == ("thinking", THOUGHT, "text", ANSWER)
    assert message.stop_reason == "end_turn"
    assert 0 < message.usage.output_tokens_details.thinking_tokens < message.usage.output_tokens


def test_a_stream_comes_to_the_same(client: Anthropic, script: Script) -> None:
    script.answers += [SAID, SAID]
    with client.messages.stream(model="tiny", max_tokens=400, messages=[HI]) as stream:
        message = stream.get_final_message()

    assert message.content[0].to_dict() == ask(client).content[0].to_dict()
    assert message.content[1].text == ANSWER


@pytest.mark.parametrize("display", ["summarized", "omitted"])
def test_a_thought_that_is_sent_back_goes_to_the_model(client: Anthropic, script: Script, display: str) -> None:
    thinking: Any = {"type": "adaptive", "display": display}
    script.answers += [CALLING, ANSWER]
    first = ask(client, tools=[TOOL], thinking=thinking)
    thought, call = first.content
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "text"}
    answer = ask(
        client, {"role": "assistant", "content": first.content}, {"role": "user", "content": [result]}, tools=[TOOL]
    )

    assert first.stop_reason == "tool_use"
    assert thought.thinking == ("" if display == "omitted" else THOUGHT)
    assert "left_out" not in answer.windows_ai
    turn = script.requests[-1].messages[1]
    assert turn.parts[0] == Reasoning(THOUGHT)


def test_a_thought_of_another_model_is_left_out_and_named(client: Anthropic, script: Script) -> None:
    script.answers.append(ANSWER)
    foreign = [
        {"type": "thinking", "thinking": "Hm.", "signature": "EqMBCkgIBhABGAI="},
        {"type": "redacted_thinking", "data": "AAAA"},
        {"type": "text", "text": "Yes?"},
    ]
    answer = ask(client, {"role": "assistant", "content": foreign}, HI)

    assert answer.windows_ai["left_out"] == [
        "messages[].content[]: thinking of another model",
        "messages[].content[]: redacted_thinking",
    ]


@pytest.mark.parametrize(
    ("asked", "options", "budget"),
    [
        ({"thinking": {"type": "enabled", "budget_tokens": 1024}}, {"enable_thinking": True}, 1024),
        ({"thinking": {"type": "adaptive"}}, {"enable_thinking": True}, None),
        ({"thinking": {"type": "disabled"}}, {"enable_thinking": False}, None),
        ({"output_config": {"effort": "high"}}, {"reasoning_effort": "high"}, None),
        ({}, {}, None),
    ],
)
def test_each_form_of_thinking_is_told_to_the_model(
    client: Anthropic, script: Script, asked: dict[str, Any], options: dict[str, Any], budget: int | None
) -> None:
    script.answers.append(ANSWER)
    ask(client, **asked)

    (request,) = script.requests
    assert (request.template_options, request.reasoning_budget) == (options, budget)
