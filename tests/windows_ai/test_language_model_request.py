"""A request in the words of Windows' own language model."""

from __future__ import annotations

import json
from typing import Any

import pytest

from codex_windows_ai.errors import InvalidRequestError, UnsupportedRequestError
from codex_windows_ai.protocol.message import Call, Result, Text
from codex_windows_ai.protocol.request import GenerationRequest, Grammar, Message, SamplingParameters
from codex_windows_ai.protocol.tools import Tool, ToolSet
from codex_windows_ai.windows_ai.language_model_request import compose, estimate_tokens, estimate_usage, utf16_length


def request(*messages: Message, **values: Any) -> GenerationRequest:
    return GenerationRequest(messages=messages or (Message("user", "hello"),), **values)


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"sampling": SamplingParameters(seed=1)}, "seed"),
        ({"sampling": SamplingParameters(min_p=0.1)}, "min-p"),
        ({"sampling": SamplingParameters(repetition_penalty=1.1)}, "repetition penalty"),
        ({"sampling": SamplingParameters(presence_penalty=0.1)}, "presence penalty"),
        ({"sampling": SamplingParameters(frequency_penalty=0.1)}, "frequency penalty"),
        ({"top_logprobs": 0}, "log probabilities"),
        ({"prompt_token_ids": (1, 2)}, "token ids"),
        ({"tools": ToolSet((Tool("function", "use"),))}, "tools"),
        ({"grammar": Grammar("regex", "a+")}, "grammars"),
        ({"grammar": Grammar("lark", "start: /a/")}, "grammars"),
    ],
)
def test_what_the_model_cannot_do_is_refused_by_name(values: dict[str, Any], named: str) -> None:
    with pytest.raises(UnsupportedRequestError, match=named):
        compose(request(**values))


def test_all_that_it_cannot_do_is_named_at_once() -> None:
    sampling = SamplingParameters(seed=1, min_p=0.5)

    with pytest.raises(UnsupportedRequestError, match="seed, min-p, log probabilities"):
        compose(request(sampling=sampling, top_logprobs=3))


@pytest.mark.parametrize(
    "values", [{"max_output_tokens": 0}, {"stop": ("",)}, {"messages": ()}, {"messages": (Message("user", " "),)}]
)
def test_what_nobody_can_do_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequestError) as caught:
        compose(GenerationRequest(**{"messages": (Message("user", "hello"),), **values}))

    assert not isinstance(caught.value, UnsupportedRequestError)


def test_a_single_question_goes_as_it_is_with_the_system_prompt_apart() -> None:
    prompt = compose(request(Message("system", "Be short."), Message("user", "Hello")))

    assert (prompt.system, prompt.text) == ("Be short.", "Hello")


def test_a_conversation_becomes_a_transcript_that_asks_for_the_next_turn() -> None:
    turns = (Message("user", "Hi"), Message("assistant", "Hello."), Message("tool", "42"), Message("user", "So?"))

    assert compose(request(*turns)).text == "User: Hi\n\nAssistant: Hello.\n\nTool: 42\n\nUser: So?\n\nAssistant:"


def test_a_call_and_what_it_returned_are_told_of() -> None:
    called = Message("assistant", (Text("I look."), Call("function", "read", '{"a": 1}', "1")))
    returned = Message("tool", (Result("42", "1"),))

    text = compose(request(Message("user", "Hi"), called, returned)).text

    assert text == 'User: Hi\n\nAssistant: I look.\n[read: {"a": 1}]\n\nTool: 42\n\nAssistant:'


def test_a_system_prompt_alone_is_the_prompt() -> None:
    prompt = compose(request(Message("system", "Say hello.")))

    assert (prompt.system, prompt.text) == ("", "Say hello.")


@pytest.mark.parametrize(
    ("sampling", "expected"),
    [
        (SamplingParameters(), (0.0, 1.0, 1)),
        (SamplingParameters(temperature=0.7, top_p=0.5), (0.7, 0.5, None)),
        (SamplingParameters(temperature=0.7, top_k=5), (0.7, 1.0, 5)),
    ],
)
def test_options_are_passed_on(sampling: SamplingParameters, expected: tuple[float, float, int | None]) -> None:
    prompt = compose(request(sampling=sampling))

    assert (prompt.temperature, prompt.top_p, prompt.top_k) == expected


def schema(**inner: Any) -> Grammar:
    return Grammar("json_schema", json.dumps({"type": "object", "properties": {"a": {"type": "string", **inner}}}))


def test_a_schema_of_the_words_that_windows_knows_is_passed_on() -> None:
    grammar = schema(enum=["x"], description="a letter")

    assert compose(request(grammar=grammar)).json_schema == grammar.definition


@pytest.mark.parametrize("word", ["pattern", "minLength", "anyOf", "$ref"])
def test_other_words_in_a_schema_are_refused_wherever_they_stand(word: str) -> None:
    with pytest.raises(UnsupportedRequestError, match=word.replace("$", r"\$")):
        compose(request(grammar=schema(**{word: 1})))


def test_a_schema_that_does_not_parse_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="does not parse"):
        compose(request(grammar=Grammar("json_schema", "{")))


def test_a_schema_has_no_room_for_a_system_prompt() -> None:
    with pytest.raises(UnsupportedRequestError, match="system prompt together with a JSON schema"):
        compose(request(Message("system", "s"), Message("user", "u"), grammar=schema()))


def test_windows_counts_utf16_units() -> None:
    assert [utf16_length(text) for text in ("", "a", "é", "🙂")] == [0, 1, 1, 2]


def test_counts_are_estimates_and_say_so() -> None:
    usage = estimate_usage(compose(request(Message("user", "x" * 40))), "y" * 10)

    assert (usage.input_tokens, usage.output_tokens, usage.estimated) == (10, 3, True)
    assert estimate_tokens("") == 0
