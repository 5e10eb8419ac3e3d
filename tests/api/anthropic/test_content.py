"""`system`, `messages` and tools of Anthropic's API as what the model is asked."""

from __future__ import annotations

from typing import Any

import pytest

from codex_windows_ai.api.anthropic.read import read_request
from codex_windows_ai.api.anthropic.request import MessagesRequest
from codex_windows_ai.api.shared.endpoint import Question
from codex_windows_ai.api.shared.seal import ReasoningSeal
from codex_windows_ai.errors import InvalidRequestError
from codex_windows_ai.protocol.message import Call, Message, Result, Text
from codex_windows_ai.protocol.tools import ToolSet

SEAL = ReasoningSeal(b"key")
CACHED: Any = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}
HI: Any = {"role": "user", "content": "Hi"}
SCHEMA: Any = {"type": "object", "properties": {"path": {"type": "string"}}}
READ: Any = {"name": "Read", "description": "Reads.", "input_schema": SCHEMA}
USE: Any = {"type": "tool_use", "id": "toolu_1", "name": "Read", "input": {"path": "a"}}
IMAGE: Any = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}


def read(*messages: Any, **parameters: Any) -> Question:
    body = MessagesRequest.model_validate({"model": "m", "messages": list(messages), **parameters})
    return read_request(body, agent="a", seal=SEAL)


def result(content: Any, **fields: Any) -> Any:
    return {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": content, **fields}],
    }


def returned(content: Any, **fields: Any) -> tuple[str, Any]:
    """What the model reads of a result, and what of it was left out."""
    question = read(HI, {"role": "assistant", "content": [USE]}, result(content, **fields), tools=[READ])
    (part,) = question.request.messages[-1].parts
    assert isinstance(part, Result)
    return part.text, question.remarks["left_out"]


CLAUDE_CODE: dict[str, Any] = {
    "system": [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.332.a1b; cc_entrypoint=cli; cch=0f1e2;"},
        {"type": "text", "text": "You are Claude Code.", **CACHED},
        {"type": "text", "text": "Be brief.", **CACHED},
    ],
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "The user's memory.", **CACHED}]},
        {"role": "user", "content": [{"type": "text", "text": "<system-reminder>x</system-reminder>"}]},
        {"role": "user", "content": [{"type": "text", "text": "What is here?", **CACHED}]},
        {"role": "system", "content": "The time is now."},
    ],
    "tools": [{**READ, **CACHED, "eager_input_streaming": True}, {**READ, "name": "Rare", "defer_loading": True}],
    "metadata": {"user_id": '{"session_id": "1"}'},
    "max_tokens": 32000,
    "thinking": {"type": "adaptive", "display": "omitted"},
    "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    "output_config": {"effort": "medium"},
    "diagnostics": {"previous_message_id": None},
    "stream": True,
}
"""As Claude Code 2.1 begins a session, shortened."""


def test_the_first_request_of_claude_code_is_taken_as_it_is() -> None:
    messages = CLAUDE_CODE["messages"]
    question = read(*messages, **{name: value for name, value in CLAUDE_CODE.items() if name != "messages"})

    assert question.request.messages == (
        Message("system", "You are Claude Code.\nBe brief.\n\nThe user's memory."),
        Message("user", "<system-reminder>x</system-reminder>"),
        Message("user", "What is here?"),
        Message("system", "The time is now."),
    )
    assert [tool.name for tool in question.request.tools.tools] == ["Read"]
    assert question.request.max_output_tokens == 32000
    assert question.remarks["left_out"] == ["system[]: x-anthropic-billing-header"]


def test_calls_and_results_are_turns() -> None:
    said = [{"type": "text", "text": "I look."}, USE, {**USE, "id": "toolu_2"}]
    both = [
        {"type": "tool_result", "tool_use_id": "toolu_2", "content": "two"},
        {"type": "tool_result", "tool_use_id": "toolu_1", "content": "one"},
        {"type": "text", "text": "And now?"},
    ]
    question = read(HI, {"role": "assistant", "content": said}, {"role": "user", "content": both}, tools=[READ])

    calls = [Call("function", "Read", '{"path": "a"}', call_id) for call_id in ("toolu_1", "toolu_2")]
    assert question.request.messages[1:] == (
        Message("assistant", (Text("I look."), *calls)),
        Message("tool", (Result("one", "toolu_1"),)),
        Message("tool", (Result("two", "toolu_2"),)),
        Message("user", "And now?"),
    )
    assert question.remarks["left_out"] == []


@pytest.mark.parametrize(
    ("content", "fields", "text"),
    [
        ("plain", {}, "plain"),
        (None, {}, ""),
        ([{"type": "text", "text": "a", **CACHED}, {"type": "text", "text": "b"}], CACHED, "a\nb"),
        ("no such file", {"is_error": True}, "Error:\nno such file"),
        ([{"type": "text", "text": "bad"}], {"is_error": True}, "Error:\nbad"),
        ([{"type": "tool_reference", "tool_name": "Rare"}], {}, "The tool Rare can be called now."),
        (
            [{"type": "search_result", "source": "s", "title": "t", "content": [{"type": "text", "text": "x"}]}],
            {},
            "t (s)\nx",
        ),
        ([{"type": "document", "source": {"type": "text", "data": "page"}, "title": "t"}], {}, "t\npage"),
    ],
)
def test_what_a_call_returned_is_text(content: Any, fields: Any, text: str) -> None:
    assert returned(content, **fields) == (text, [])


def test_an_image_in_a_result_leaves_a_placeholder() -> None:
    text, left_out = returned([IMAGE, {"type": "text", "text": "a"}])

    assert text == "[An image was here. This model reads text only.]\na"
    assert left_out == ["messages[].content[].content[]: image"]


def test_an_image_that_is_asked_about_now_is_refused_by_its_place() -> None:
    asked = {"role": "user", "content": [{"type": "text", "text": "What is this?"}, IMAGE]}
    with pytest.raises(InvalidRequestError) as caught:
        read(asked)

    assert caught.value.param == "messages[0].content[1].type"
    assert read(asked, {"role": "assistant", "content": "A cat."}, HI).remarks["left_out"] == [
        "messages[].content[]: image"
    ]


def test_what_only_anthropics_servers_know_is_left_out_and_named() -> None:
    answer = [
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
        {"type": "text", "text": "Found.", "citations": []},
    ]
    question = read(
        HI,
        {"role": "assistant", "content": answer},
        HI,
        tools=[{"type": "web_search_20260209", "name": "web_search"}, READ],
        context_management={"edits": [{"type": "clear_tool_uses_20250919"}]},
        container="c",
    )

    assert [tool.name for tool in question.request.tools.tools] == ["Read"]
    assert question.remarks["left_out"] == [
        "container",
        "messages[].content[]: server_tool_use",
        "messages[].content[]: web_search_tool_result",
        "context_management.edits[]: clear_tool_uses_20250919",
        "tools[]: web_search_20260209",
    ]


RARE: Any = {**READ, "name": "Rare", "defer_loading": True}
SEARCH: Any = {"type": "tool_search_tool_regex_20251119", "name": "search"}


def test_a_tool_that_is_loaded_later_is_offered_once_it_was_found() -> None:
    def offered(*messages: Any, **parameters: Any) -> list[str]:
        return [tool.name for tool in read(*messages, **parameters).request.tools.tools]

    call = {"role": "assistant", "content": [USE]}
    found = result([{"type": "tool_reference", "tool_name": "Rare"}])
    assert offered(HI, tools=[READ, RARE]) == ["Read"]
    assert offered(HI, call, found, tools=[READ, RARE]) == ["Read", "Rare"]
    assert offered(HI, tools=[READ, RARE], tool_choice={"type": "tool", "name": "Rare"}) == ["Read", "Rare"]
    assert offered(HI, tools=[READ, RARE, SEARCH]) == ["Read", "Rare"]


@pytest.mark.parametrize(
    ("choice", "expected"),
    [
        (None, {}),
        ({"type": "auto"}, {}),
        ({"type": "auto", "disable_parallel_tool_use": True}, {"parallel": False}),
        ({"type": "any"}, {"mode": "required"}),
        ({"type": "any", "disable_parallel_tool_use": True}, {"mode": "required", "parallel": False}),
        ({"type": "tool", "name": "Read"}, {"mode": "required", "only": frozenset({"Read"}), "parallel": False}),
        ({"type": "none"}, {"mode": "none"}),
    ],
)
def test_each_choice_is_what_the_model_may_call(choice: Any, expected: dict[str, Any]) -> None:
    tools = read(HI, tools=[READ], tool_choice=choice).request.tools

    assert tools == ToolSet(tools.tools, **expected)


@pytest.mark.parametrize(
    ("parameters", "param"),
    [
        ({"tools": [{"input_schema": SCHEMA}]}, "tools[0].name"),
        ({"tools": [{"name": "a", "input_schema": "text"}]}, "tools[0].input_schema"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"tools": [READ], "tool_choice": {"type": "tool", "name": "Write"}}, "tool_choice"),
        ({"tools": [READ], "tool_choice": {"type": "sometimes"}}, "tool_choice"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_name(parameters: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        read(HI, **parameters)

    assert caught.value.param == param


@pytest.mark.parametrize("name", ["output_config", "output_format"])
def test_a_schema_is_kept_to(name: str) -> None:
    form: Any = {"type": "json_schema", "schema": {"type": "object", "properties": {"title": {"type": "string"}}}}
    request = read(HI, **{name: {"format": form} if name == "output_config" else form}).request

    assert request.grammar is not None
    assert '"title"' in request.grammar.definition
