"""Tool calls, as the real OpenAI client offers tools and reads calls."""

from __future__ import annotations

import json
from typing import Any, Literal

import pytest
from openai import BadRequestError, OpenAI, pydantic_function_tool
from openai.types.chat import ChatCompletion
from pydantic import BaseModel

QUESTION: list[Any] = [{"role": "user", "content": "weather?"}]


class GetWeather(BaseModel):
    """Weather of a city."""

    city: Literal["Paris", "Tokyo"]


class GetTime(BaseModel):
    """Time in a city."""

    zone: Literal["UTC", "CET"]


WEATHER, TIME = pydantic_function_tool(GetWeather), pydantic_function_tool(GetTime)
PATCH: Any = {
    "type": "custom",
    "custom": {
        "name": "patch",
        "format": {"type": "grammar", "grammar": {"syntax": "lark", "definition": 'start: "add " /[a-d]{3}/'}},
    },
}
LABELS: dict[str, Any] = {
    "type": "object",
    "properties": {"labels": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 2, "uniqueItems": True}},
    "required": ["labels"],
}
NAMED: Any = {"type": "function", "function": {"name": "GetTime"}}


def ask(client: OpenAI, **parameters: Any) -> ChatCompletion:
    defaults: dict[str, Any] = {"model": "tiny", "messages": QUESTION, "tools": [WEATHER, TIME], "max_tokens": 300}
    return client.chat.completions.create(**(defaults | parameters))


def test_a_tool_that_must_be_called_is_called_once_with_arguments_of_its_schema(roomy_client: OpenAI) -> None:
    (choice,) = ask(roomy_client, tool_choice=NAMED).choices

    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    (call,) = choice.message.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "GetTime"
    assert GetTime.model_validate_json(call.function.arguments)


def test_without_parallel_calls_there_is_one(roomy_client: OpenAI) -> None:
    (choice,) = ask(roomy_client, tool_choice="required", parallel_tool_calls=False).choices

    assert len(choice.message.tool_calls or []) == 1
    assert choice.finish_reason == "tool_calls"


def test_a_stream_brings_the_call_in_pieces(roomy_client: OpenAI) -> None:
    parameters: dict[str, Any] = {"model": "tiny", "messages": QUESTION, "tools": [WEATHER, TIME], "seed": 4}
    chosen: dict[str, Any] = {"tool_choice": "required", "parallel_tool_calls": False}
    whole = roomy_client.chat.completions.create(**parameters, **chosen).choices[0].message
    chunks = roomy_client.chat.completions.create(**parameters, **chosen, stream=True)
    deltas = [delta for chunk in chunks for choice in chunk.choices for delta in choice.delta.tool_calls or []]

    (call,) = whole.tool_calls or []
    assert call.type == "function"
    first, *rest = deltas
    assert first.id
    assert first.function is not None
    assert (first.index, first.type, first.function.name) == (0, "function", call.function.name)
    assert rest
    assert all(delta.id is None and delta.index == 0 for delta in rest)
    pieces = [delta.function.arguments or "" for delta in deltas if delta.function]
    assert "".join(pieces) == call.function.arguments


def test_the_client_parses_calls_of_a_stream(roomy_client: OpenAI) -> None:
    with roomy_client.chat.completions.stream(
        model="tiny", messages=QUESTION, tools=[WEATHER], tool_choice="required", parallel_tool_calls=False
    ) as stream:
        done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
        final = stream.get_final_completion()

    (call,) = final.choices[0].message.tool_calls or []
    assert isinstance(call.function.parsed_arguments, GetWeather)
    assert [event.name for event in done] == ["GetWeather"]


def test_what_a_call_returned_is_read_and_the_turn_before_is_not_computed_again(roomy_client: OpenAI) -> None:
    first = ask(roomy_client, tool_choice=NAMED)
    message = first.choices[0].message
    (call,) = message.tool_calls or []
    result: Any = {"role": "tool", "tool_call_id": call.id, "content": "12:00"}
    second = ask(roomy_client, messages=[*QUESTION, message, result], tool_choice="none", max_tokens=5)

    assert first.usage is not None
    assert second.usage is not None
    assert second.usage.prompt_tokens_details is not None
    assert (second.usage.prompt_tokens_details.cached_tokens or 0) >= first.usage.prompt_tokens
    assert second.choices[0].message.tool_calls is None


def test_a_custom_tool_is_given_text_of_its_grammar(roomy_client: OpenAI) -> None:
    choice: Any = {"type": "custom", "custom": {"name": "patch"}}
    (call,) = ask(roomy_client, tools=[PATCH], tool_choice=choice).choices[0].message.tool_calls or []

    assert call.type == "custom"
    assert call.custom.name == "patch"
    assert call.custom.input.startswith("add ")


def test_a_choice_between_some_tools_is_kept_to(roomy_client: OpenAI) -> None:
    allowed: Any = {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "required", "tools": [{"type": "function", "function": {"name": "GetTime"}}]},
    }
    (choice,) = ask(roomy_client, tool_choice=allowed, parallel_tool_calls=False).choices

    (call,) = choice.message.tool_calls or []
    assert call.type == "function"
    assert call.function.name == "GetTime"


def test_a_call_that_is_cut_off_says_so(roomy_client: OpenAI) -> None:
    whole = ask(roomy_client, tool_choice=NAMED)
    assert whole.usage is not None
    (choice,) = ask(roomy_client, tool_choice=NAMED, max_tokens=whole.usage.completion_tokens - 20).choices

    assert choice.finish_reason == "length"
    with pytest.raises(json.JSONDecodeError):
        json.loads((choice.message.tool_calls or [])[0].function.arguments)  # pyright: ignore[reportAttributeAccessIssue]


def test_an_answer_is_json_of_the_schema_or_a_call(roomy_client: OpenAI) -> None:
    form: Any = {"type": "json_schema", "json_schema": {"name": "yes", "schema": {"enum": ["yes", "no"]}}}
    (choice,) = ask(roomy_client, response_format=form, tool_choice="none").choices

    assert json.loads(choice.message.content or "") in ("yes", "no")
    assert choice.finish_reason == "stop"


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "set_labels"}}])
@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_whose_schema_cannot_be_followed_is_called_and_that_is_said(
    roomy_client: OpenAI, choice: Any, stream: bool
) -> None:
    tool = {"type": "function", "function": {"name": "set_labels", "parameters": LABELS}}
    asked: dict[str, Any] = {"tools": [tool, WEATHER], "tool_choice": choice, "parallel_tool_calls": False}
    if stream:
        chunks = list(ask(roomy_client, **asked, stream=True))
        [extra] = [chunk.model_extra for chunk in chunks if chunk.choices[0].finish_reason]
        called = [call.function for chunk in chunks for call in chunk.choices[0].delta.tool_calls or []]
        name, arguments = called[0].name, "".join(function.arguments or "" for function in called)
    else:
        answer = ask(roomy_client, **asked)
        extra = answer.model_extra
        (call,) = answer.choices[0].message.tool_calls or []
        assert call.type == "function"
        name, arguments = call.function.name, call.function.arguments

    (remark,) = (extra or {})["windows_ai"]["loosened"]
    assert (remark["tool"], "uniqueItems" in remark["reason"]) == ("set_labels", True)
    if name == "set_labels":
        assert set(json.loads(arguments)["labels"]) <= {"a", "b"}
    assert name == "set_labels" or choice == "required"


def test_a_strict_tool_whose_schema_cannot_be_followed_is_refused(roomy_client: OpenAI) -> None:
    tool = {"type": "function", "function": {"name": "set_labels", "parameters": LABELS, "strict": True}}

    with pytest.raises(BadRequestError, match=r"`set_labels` cannot be offered.*uniqueItems") as refused:
        ask(roomy_client, tools=[tool])
    assert (refused.value.code, refused.value.param) == ("invalid_grammar", "tools")


def test_an_answer_says_nothing_of_schemas_that_are_kept_to(roomy_client: OpenAI) -> None:
    answer = ask(roomy_client, tool_choice=NAMED)

    assert "loosened" not in (answer.model_extra or {})["windows_ai"]


def test_a_schema_that_would_compile_for_hours_is_loosened_and_the_answer_says_so(roomy_client: OpenAI) -> None:
    factors = [{"type": "integer", "multipleOf": factor} for factor in (3, 5, 7, 11, 13, 17, 19, 23)]
    schema = {
        "type": "object",
        "properties": {"zone": {"enum": ["UTC"]}, "x": {"allOf": factors}},
        "required": ["zone"],
    }
    slow: Any = {"type": "function", "function": {"name": "GetTime", "parameters": schema}}

    answer = ask(roomy_client, tools=[slow, WEATHER], tool_choice=NAMED)

    (remark,) = (answer.model_extra or {})["windows_ai"]["loosened"]
    assert remark["tool"] == "GetTime"
    assert "#/properties/x/" in remark["reason"]
    (call,) = answer.choices[0].message.tool_calls or []
    assert call.type == "function"
    assert json.loads(call.function.arguments)["zone"] == "UTC"
