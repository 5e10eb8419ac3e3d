"""What other models, servers and programs leave in a history ends no session; what has no effect is named."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from tests.host.live import LiveHost
from tests.hosting import TOKEN

DROPPED = "reasoning: the model's chat template takes nothing that was thought before"
USER: dict[str, Any] = {"role": "user", "content": "hi"}
CALL: dict[str, Any] = {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLED: dict[str, Any] = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT: dict[str, Any] = {"role": "tool", "tool_call_id": "1", "content": "ok"}
IMAGE: dict[str, Any] = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}


def ask(live_host: LiveHost, **parameters: Any) -> dict[str, Any]:
    body = {"model": "tiny", "messages": [USER], "max_tokens": 2} | parameters
    headers = {"authorization": f"Bearer {TOKEN}"}
    answer = httpx2.post(f"{live_host.url}/v1/chat/completions", json=body, headers=headers, timeout=60)
    assert answer.status_code == 200, answer.text
    return answer.json()["windows_ai"]


@pytest.mark.parametrize(
    ("messages", "left_out"),
    [
        ([{"role": "assistant", "content": "a", "reasoning_content": "b"}], DROPPED),
        ([{"role": "assistant", "content": "a", "reasoning": "b"}], DROPPED),
        ([{"role": "assistant", "content": "a", "reasoning_content": "b", "reasoning": "b"}], DROPPED),
        ([{"role": "assistant", "content": "a", "reasoning": {}}], "messages[].reasoning"),
        ([{"role": "assistant", "content": "a", "reasoning_details": [{}]}], "messages[].reasoning_details"),
        ([{"role": "assistant", "content": "a", "audio": {"id": "x"}}], "messages[].audio"),
        ([{**USER, "cache_control": {"type": "ephemeral"}}], "messages[].cache_control"),
        (
            [{"role": "user", "content": [{"type": "text", "text": "a", "cache_control": {}}]}],
            "messages[].content[].cache_control",
        ),
        ([CALLED, {**RESULT, "name": "f"}], None),
        ([CALLED, {**RESULT, "content": [IMAGE]}], "messages[].content[]: image_url"),
        (
            [{"role": "user", "content": [IMAGE]}, {"role": "assistant", "content": "a"}],
            "messages[].content[]: image_url",
        ),
        ([RESULT], "messages[].content: its call is missing"),
        ([{"role": "tool", "content": "ok"}], "messages[].content: its call is missing"),
        ([{"role": "assistant"}], None),
        ([{"role": "assistant", "content": None, "tool_calls": None}], None),
        ([{"role": "assistant", "content": [{"type": "thinking", "thinking": "a"}]}], "messages[].content[]: thinking"),
        ([{"role": "assistant", "tool_calls": [{"function": {"name": "f"}}]}], None),
        ([{"role": "assistant", "tool_calls": [{**CALL, "index": 0}]}, RESULT], None),
        ([{"role": "assistant", "tool_calls": [{"id": "1", "type": "mcp"}]}], "messages[].tool_calls[]: mcp"),
        ([{"role": "assistant", "function_call": {"name": "f", "arguments": ""}}], None),
        ([{"role": "function", "name": "f", "content": "ok"}], "messages[].content: its call is missing"),
        ([{"role": "critic", "content": "a"}], "messages[].role"),
        ([{"content": "a"}], "messages[].role"),
        ([{"role": "assistant", "content": 5}], "messages[].content"),
        ([{"role": "assistant", "content": "a", "tool_calls": "x"}], "messages[].tool_calls"),
        ([{"role": "assistant", "content": "a", "function_call": "x"}], "messages[].function_call"),
    ],
)
def test_a_history_is_no_request_for_service(live_host: LiveHost, messages: list[Any], left_out: str | None) -> None:
    told = ask(live_host, messages=[USER, *messages, USER])

    assert told.get("left_out") == ([left_out] if left_out else None)


def test_a_thousand_remarks_are_as_many_as_somebody_reads(live_host: LiveHost) -> None:
    told = ask(live_host, **{f"field_{number}": 1 for number in range(1000)})

    assert len(told["left_out"]) == 101
    assert told["left_out"][-1] == "and 900 more"


def test_many_messages_with_a_foreign_field_are_one_remark(live_host: LiveHost) -> None:
    told = ask(live_host, messages=[{**USER, "cache_control": {}}] * 5)

    assert told["left_out"] == ["messages[].cache_control"]


@pytest.mark.parametrize(
    "parameters",
    [
        {"max_tokens": -1, "stop": ["e", "a"]},
        {"max_tokens": None, "max_completion_tokens": 1},
        {"top_k": -1},
        {"max_tokens": 2.0, "seed": 42.0, "top_k": 5.0},
        {"messages": [{"role": "System", "content": "a"}, {"role": "User", "content": "b"}]},
        {"repeat_penalty": 1.1},
        {"reasoning_effort": "none", "verbosity": "medium", "truncation": "disabled", "cache_prompt": True},
        {"metadata": [], "service_tier": "flex", "store": True, "prediction": 3, "user": 1, "include": "x"},
        {"enable_thinking": False, "think": False, "thinking": {"type": "disabled"}},
        {"logprobs": False, "top_logprobs": 0},
        {"stream_options": {"include_usage": True}},
        {"colour": None},
        {"chat_template_kwargs": {}},
    ],
)
def test_what_is_honoured_or_asks_for_nothing_is_not_named(live_host: LiveHost, parameters: dict[str, Any]) -> None:
    assert "left_out" not in ask(live_host, **parameters)


@pytest.mark.parametrize(
    ("parameters", "named"),
    [
        ({"reasoning_effort": "high"}, ["reasoning_effort"]),
        ({"chat_template_kwargs": {"enable_thinking": True, "pace": 3}}, ["enable_thinking", "pace"]),
        ({"enable_thinking": True}, ["enable_thinking"]),
        ({"chat_template_kwargs": {"add_generation_prompt": False}}, ["add_generation_prompt"]),
        ({"provider": {"order": ["a"], "allow_fallbacks": True}}, ["provider"]),
        ({"reasoning": {"effort": "high", "exclude": True}}, ["reasoning.exclude", "reasoning_effort"]),
        ({"reasoning": "off"}, ["reasoning"]),
        ({"reasoning": True}, ["reasoning"]),
        ({"think": "low"}, ["enable_thinking", "reasoning_effort"]),
        ({"thinking": {"type": "adaptive"}}, ["enable_thinking"]),
        ({"thinking": {"budget_tokens": "many"}}, ["thinking.budget_tokens"]),
        ({"verbosity": "low"}, ["verbosity"]),
        ({"truncation": "auto"}, ["truncation"]),
        ({"keep_alive": "5m", "options": {}}, ["keep_alive", "options"]),
        ({"stream_options": {"pace": 1}}, ["stream_options.pace"]),
        ({"tools": [{"type": "web_search"}]}, ["tools[]: web_search"]),
    ],
)
def test_what_has_no_effect_is_named(live_host: LiveHost, parameters: dict[str, Any], named: list[str]) -> None:
    assert ask(live_host, **parameters)["left_out"] == named


@pytest.mark.parametrize("path", ["chat/completions", "responses"])
def test_a_schema_that_is_not_strict_is_kept_to_as_far_as_that_goes(live_host: LiveHost, path: str) -> None:
    schema = {"type": "object", "properties": {"to": {"type": "string", "pattern": "^(?!x)a$"}}, "required": ["to"]}
    form: dict[str, Any] = {"name": "mail", "schema": schema}
    asked: dict[str, Any] = (
        {"text": {"format": {"type": "json_schema", **form}}, "input": "hi"}
        if path == "responses"
        else {"response_format": {"type": "json_schema", "json_schema": form}, "messages": [USER]}
    )
    headers = {"authorization": f"Bearer {TOKEN}"}
    body = {"model": "tiny", "max_tokens": 2, **asked}

    answer = httpx2.post(f"{live_host.url}/v1/{path}", json=body, headers=headers, timeout=60)

    assert answer.status_code == 200, answer.text
    [remark] = answer.json()["windows_ai"]["loosened"]
    assert remark["format"] == "json_schema"
    assert "look-around" in remark["reason"]


def test_an_output_limit_above_what_the_window_leaves_is_clamped_and_said(live_host: LiveHost) -> None:
    [remark] = ask(live_host, max_tokens=32000, stop=["a", "e", "i", "o", " "])["left_out"]

    assert remark.startswith("max_output_tokens: 32000 asked for, the window leaves ")


def test_of_two_output_limits_the_smaller_holds(live_host: LiveHost) -> None:
    body = {"model": "tiny", "messages": [USER], "max_tokens": 5, "max_completion_tokens": 3}
    headers = {"authorization": f"Bearer {TOKEN}"}

    answer = httpx2.post(f"{live_host.url}/v1/chat/completions", json=body, headers=headers, timeout=60).json()

    assert answer["usage"]["completion_tokens"] <= 3


@pytest.mark.parametrize("text", ['"cut \\ud83d"', '"\\udc00"', '"\\ud83d\\ud83d\\ude00"'])
@pytest.mark.parametrize("path", ["chat/completions", "responses"])
def test_half_a_character_is_a_replacement_character(live_host: LiveHost, text: str, path: str) -> None:
    asked = f'[{{"role": "user", "content": {text}}}]'
    body = f'{{"model": "tiny", "max_tokens": 2, "metadata": {{"a": {text}}}, "messages": {asked}, "input": {asked}}}'
    headers = {"authorization": f"Bearer {TOKEN}"}

    answer = httpx2.post(f"{live_host.url}/v1/{path}", content=body, headers=headers, timeout=60)

    assert answer.status_code == 200, answer.text
    if path == "responses":
        assert answer.json()["metadata"]["a"].startswith(("cut \ufffd", "\ufffd"))


@pytest.mark.parametrize("name", ["TINY", "tiny:latest", "vendor/tiny", "vendor/Tiny:latest"])
def test_a_models_name_may_be_written_as_others_do(live_host: LiveHost, name: str) -> None:
    assert ask(live_host, model=name)["model"] == "tiny"
