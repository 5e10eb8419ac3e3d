"""What OpenAI's own Python client gets from POST /v1/responses."""

from __future__ import annotations

import json
from typing import Any, Literal

import openai
import pytest
from openai import OpenAI
from openai.types.responses import ResponseCustomToolCall, ResponseFunctionToolCall, ResponseOutputMessage
from pydantic import BaseModel

WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather in a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string", "enum": ["Paris", "Oslo"]}, "days": {"type": "integer"}},
        "required": ["city"],
        "additionalProperties": False,
    },
    "strict": True,
}
TIME: Any = {"type": "function", "name": "get_time", "parameters": {"type": "object", "properties": {}}}
LABELS: Any = {
    "type": "function",
    "name": "set_labels",
    "strict": False,
    "parameters": {
        "type": "object",
        "properties": {"labels": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 2, "uniqueItems": True}},
        "required": ["labels"],
    },
}
ANSWER: Any = {
    "type": "custom",
    "name": "answer",
    "format": {"type": "grammar", "syntax": "lark", "definition": 'start: "yes" | "no"'},
}
QUESTION = "What is the weather in Paris?"


def test_a_string_is_answered(client: OpenAI, model: str) -> None:
    question = "What is the capital of France? Answer in one sentence."
    response = client.responses.create(model=model, input=question, max_output_tokens=20)

    assert "Paris" in response.output_text
    assert response.status == "completed"
    assert response.error is None
    assert response.usage
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens
    assert response.usage.output_tokens_details.reasoning_tokens == 0


def test_the_answer_says_who_gave_it(client: OpenAI, model: str) -> None:
    response = client.responses.create(model=model, input="Hello", max_output_tokens=2)

    answered = (response.model_extra or {})["windows_ai"]
    assert answered["model"] == model
    assert answered["provider"] == "engine"
    assert answered["device"].startswith("CPU")
    assert set(answered["timings_ms"]) == {"queue", "prefill", "decode", "total"}


def test_a_stream_is_the_same_answer(client: OpenAI, model: str) -> None:
    asked: dict[str, Any] = {
        "model": model,
        "input": "Count to five.",
        "max_output_tokens": 24,
        "extra_body": {"seed": 1},
    }
    whole = client.responses.create(**asked)

    with client.responses.create(**asked, stream=True) as stream:
        events = list(stream)

    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    last = events[-1]
    assert last.type in ("response.completed", "response.incomplete")
    assert text == whole.output_text == last.response.output_text
    assert last.response.status == whole.status


def test_a_conversation_with_instructions_is_followed(client: OpenAI, model: str) -> None:
    response = client.responses.create(
        model=model,
        instructions="You answer in one word.",
        input=[
            {"role": "user", "content": "What is the capital of France?"},
            {"role": "assistant", "content": "Paris"},
            {"role": "user", "content": [{"type": "input_text", "text": "And the capital of Germany?"}]},
        ],
        max_output_tokens=16,
    )

    assert "Berlin" in response.output_text


def test_an_answer_cut_off_is_incomplete_and_says_why(client: OpenAI, model: str) -> None:
    response = client.responses.create(model=model, input="Tell me a long story.", max_output_tokens=5)

    assert response.status == "incomplete"
    assert response.incomplete_details and response.incomplete_details.reason == "max_output_tokens"
    assert isinstance(response.output[0], ResponseOutputMessage)
    assert response.output[0].status == "incomplete"
    assert response.usage and response.usage.output_tokens == 5


def test_a_required_call_is_a_call_that_matches_the_schema(client: OpenAI, model: str) -> None:
    response = client.responses.create(
        model=model,
        input=QUESTION,
        tools=[WEATHER],
        tool_choice="required",
        parallel_tool_calls=False,
        max_output_tokens=60,
    )

    [call] = response.output
    assert isinstance(call, ResponseFunctionToolCall)
    assert (call.name, call.status) == ("get_weather", "completed")
    assert json.loads(call.arguments)["city"] in ("Paris", "Oslo")


def test_a_named_function_is_the_one_that_is_called(client: OpenAI, model: str) -> None:
    response = client.responses.create(
        model=model,
        input=QUESTION,
        tools=[WEATHER, TIME],
        tool_choice={"type": "function", "name": "get_time"},
        parallel_tool_calls=False,
    )

    [call] = response.output
    assert isinstance(call, ResponseFunctionToolCall)
    assert (call.name, call.arguments) == ("get_time", "{}")


def test_only_allowed_tools_are_called(client: OpenAI, model: str) -> None:
    response = client.responses.create(
        model=model,
        input=QUESTION,
        tools=[WEATHER, TIME],
        tool_choice={"type": "allowed_tools", "mode": "required", "tools": [{"type": "function", "name": "get_time"}]},
        parallel_tool_calls=False,
    )

    assert [call.name for call in response.output if call.type == "function_call"] == ["get_time"]


def test_calls_in_parallel_are_items_of_their_own(client: OpenAI, model: str) -> None:
    response = client.responses.create(
        model=model, input=QUESTION, tools=[TIME], tool_choice="required", max_output_tokens=600
    )

    calls = [item for item in response.output if isinstance(item, ResponseFunctionToolCall)]
    assert len(calls) == len(response.output)
    assert len({call.call_id for call in calls}) == len({call.id for call in calls}) == len(calls)


@pytest.mark.parametrize("choice", ["auto", "none"])
def test_the_model_may_answer_in_text_although_there_are_tools(
    client: OpenAI, model: str, choice: Literal["auto", "none"]
) -> None:
    response = client.responses.create(
        model=model, input="Say hello.", tools=[TIME], tool_choice=choice, max_output_tokens=24
    )

    assert response.output_text
    assert "<tool_call>" not in response.output_text


def test_a_custom_tools_input_matches_its_grammar(client: OpenAI, model: str) -> None:
    with client.responses.stream(
        model=model,
        input="Is Paris in France?",
        tools=[ANSWER],
        tool_choice={"type": "custom", "name": "answer"},
        parallel_tool_calls=False,
    ) as stream:
        deltas = "".join(event.delta for event in stream if event.type == "response.custom_tool_call_input.delta")
        response = stream.get_final_response()

    [call] = response.output
    assert isinstance(call, ResponseCustomToolCall)
    assert call.name == "answer"
    assert call.input == deltas
    assert call.input in ("yes", "no")


class Weather(BaseModel):
    city: Literal["Paris", "Oslo"]
    days: int


def test_a_streamed_call_is_parsed_as_the_callers_own_type(client: OpenAI, model: str) -> None:
    tool: Any = openai.pydantic_function_tool(Weather, name="get_weather")
    flat: Any = {"type": "function", **tool["function"]}
    with client.responses.stream(
        model=model, input=QUESTION, tools=[flat], tool_choice={"type": "function", "name": "get_weather"}
    ) as stream:
        deltas = "".join(event.delta for event in stream if event.type == "response.function_call_arguments.delta")
        final = stream.get_final_response()

    [call] = final.output
    assert isinstance(call, ResponseFunctionToolCall)
    assert call.arguments == deltas
    assert Weather.model_validate_json(call.arguments)


def test_a_calls_result_is_answered(client: OpenAI, model: str) -> None:
    history: list[Any] = [{"role": "user", "content": QUESTION}]
    first = client.responses.create(
        model=model, input=history, tools=[WEATHER], tool_choice={"type": "function", "name": "get_weather"}
    )
    assert first.usage
    [call] = first.output
    assert isinstance(call, ResponseFunctionToolCall)
    history += [item.model_dump(exclude_none=True) for item in first.output]
    history.append({"type": "function_call_output", "call_id": call.call_id, "output": "Sunny, 21 degrees."})

    second = client.responses.create(
        model=model, input=history, tools=[WEATHER], tool_choice="none", max_output_tokens=40
    )

    assert second.output_text
    assert second.usage
    read, kept = second.usage.input_tokens_details.cached_tokens, second.usage.input_tokens_details.cache_write_tokens
    assert read > first.usage.input_tokens - 16
    assert second.usage.input_tokens - 16 < read + kept <= second.usage.input_tokens


class Country(BaseModel):
    name: str
    capital: str
    european: bool


def test_an_answer_is_parsed_as_the_callers_own_type(client: OpenAI, model: str) -> None:
    response = client.responses.parse(model=model, input="France as JSON.", text_format=Country, max_output_tokens=100)

    assert isinstance(response.output_parsed, Country)


def test_a_json_object_is_one(client: OpenAI, model: str) -> None:
    response = client.responses.create(
        model=model,
        input='Answer with {"ok": true}',
        text={"format": {"type": "json_object"}},
        max_output_tokens=200,
    )

    assert response.status == "incomplete" or isinstance(json.loads(response.output_text), dict)


@pytest.mark.parametrize("strict", [True, False, None])
def test_text_by_a_schema_and_tools_go_together(client: OpenAI, model: str, strict: bool | None) -> None:
    schema = {"type": "object", "properties": {"ok": {"const": 1}}, "required": ["ok"], "additionalProperties": False}
    form: Any = {"type": "json_schema", "name": "ok", "schema": schema, "strict": strict}

    response = client.responses.create(
        model=model, input="Answer.", tools=[TIME], text={"format": form}, parallel_tool_calls=False
    )

    assert response.status == "completed"
    assert response.output[0].type == "function_call" or isinstance(json.loads(response.output_text), dict)
    assert response.text
    assert response.text.format
    assert response.text.format.to_dict() == {**form, "description": None}


@pytest.mark.parametrize("choice", ["required", {"type": "function", "name": "set_labels"}])
@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_whose_schema_cannot_be_followed_is_called_and_that_is_said(
    client: OpenAI, model: str, choice: Any, stream: bool
) -> None:
    asked: dict[str, Any] = {"model": model, "input": "Label it a and b.", "tools": [LABELS], "tool_choice": choice}
    asked |= {"parallel_tool_calls": False}
    if stream:
        with client.responses.create(**asked, stream=True) as events:
            response = list(events)[-1].response
    else:
        response = client.responses.create(**asked)

    (call,) = response.output
    assert isinstance(call, ResponseFunctionToolCall)
    assert set(json.loads(call.arguments)["labels"]) <= {"a", "b"}
    assert (response.model_extra or {})["windows_ai"]["loosened"] == [
        {"tool": "set_labels", "reason": 'Unimplemented keys: ["uniqueItems"]'}
    ]


@pytest.mark.parametrize(
    ("changes", "kind", "code", "param"),
    [
        ({"model": "gpt-5"}, openai.NotFoundError, "model_not_found", None),
        ({"input": ""}, openai.BadRequestError, "invalid_request", None),
        ({"input": "word " * 20_000}, openai.BadRequestError, "context_length_exceeded", None),
        ({"previous_response_id": "resp_1"}, openai.BadRequestError, "invalid_request", "previous_response_id"),
        ({"temperature": 9}, openai.BadRequestError, "invalid_request", "temperature"),
        ({"tool_choice": "required"}, openai.BadRequestError, "invalid_request", "tool_choice"),
        ({"tools": [{**LABELS, "strict": True}]}, openai.BadRequestError, "invalid_grammar", "tools"),
        (
            {"text": {"format": {"type": "json_schema", "name": "a", "schema": LABELS["parameters"], "strict": True}}},
            openai.BadRequestError,
            "invalid_grammar",
            "text.format.schema",
        ),
        ({"tools": [{"type": "function"}]}, openai.BadRequestError, "invalid_request", "tools[0].name"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_errors_are_the_clients_own_classes(
    client: OpenAI,
    model: str,
    changes: dict[str, Any],
    kind: type[openai.APIStatusError],
    code: str,
    param: str | None,
    stream: bool,
) -> None:
    client.models.list()  # the model is loaded: what is wrong is said before a stream begins
    asked: dict[str, Any] = {"model": model, "input": "Hello", **changes}

    with pytest.raises(kind) as refused:
        client.responses.create(**asked, stream=stream)

    assert (refused.value.code, refused.value.param) == (code, param)


def test_without_the_token_nobody_is_answered(client: OpenAI, model: str) -> None:
    with pytest.raises(openai.AuthenticationError):
        client.with_options(api_key="wrong").responses.create(model=model, input="Hello")
