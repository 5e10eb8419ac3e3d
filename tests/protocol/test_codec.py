"""Requests and answers come out as they went in."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_windows_ai.errors import ContextLengthExceededError, InvalidRequestError
from codex_windows_ai.protocol import codec
from codex_windows_ai.protocol.answer import CallBegun, CallEnded, CallPiece, Delta, ReasoningPiece, TextPiece
from codex_windows_ai.protocol.grammar import Grammar
from codex_windows_ai.protocol.message import Call, Image, Message, Reasoning, Result, Text
from codex_windows_ai.protocol.request import GenerationRequest, SamplingParameters
from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.protocol.tools import Tool, ToolName, ToolSet

words = st.text(max_size=12)
kinds = st.sampled_from(["function", "custom"])
grammars = st.none() | st.builds(Grammar, st.sampled_from(["json_schema", "regex", "lark"]), words)
message_parts = st.one_of(
    st.builds(Text, words),
    st.builds(Reasoning, words),
    st.builds(Call, kinds, words, words, words),
    st.builds(Result, words, words),
    st.builds(Image, words),
)
messages = st.builds(
    Message,
    st.sampled_from(["system", "user", "assistant", "tool"]),
    words | st.lists(message_parts, max_size=3).map(tuple),
)
schemas = st.dictionaries(words, st.none() | st.booleans() | st.integers(-9, 9) | words, max_size=3)
tools = st.builds(Tool, kinds, words, st.none() | words, words, schemas, st.booleans(), grammars)
tool_sets = st.builds(
    ToolSet,
    st.lists(tools, max_size=2).map(tuple),
    st.sampled_from(["auto", "none", "required"]),
    st.none() | st.frozensets(words, max_size=2),
    st.booleans(),
)
numbers = st.floats(0, 2)
seeds = st.integers(0, 2**64 - 1)
requests = st.builds(
    GenerationRequest,
    messages=st.lists(messages, max_size=3).map(tuple),
    tools=tool_sets,
    prompt_token_ids=st.none() | st.lists(st.integers(0, 9), max_size=3).map(tuple),
    sampling=st.builds(
        SamplingParameters, temperature=numbers, top_p=numbers, seed=st.none() | st.integers(0, 2**64 - 1)
    ),
    max_output_tokens=st.none() | st.integers(1, 99),
    stop=st.lists(words, max_size=2).map(tuple),
    grammar=grammars,
    agent=words,
    deadline=st.none() | numbers,
    top_logprobs=st.none() | st.integers(0, 20),
    provider=st.none() | words,
    model=st.none() | words,
)
names = st.builds(ToolName, kinds, words, st.none() | words)
answer_parts = st.one_of(
    st.builds(TextPiece, words),
    st.builds(ReasoningPiece, words),
    st.builds(CallBegun, names),
    st.builds(CallPiece, words),
    st.builds(CallEnded, names, words, st.booleans()),
)


@given(requests)
def test_a_request_comes_out_as_it_went_in(request: GenerationRequest) -> None:
    assert codec.decode_request(codec.encode_request(request)) == request


@given(st.lists(answer_parts, max_size=4))
def test_a_piece_of_an_answer_comes_out_with_all_its_parts(parts: list[TextPiece]) -> None:
    delta = Delta().holding(parts)

    assert codec.decode_delta(codec.encode_delta(delta, tokens=True)) == delta


def test_a_source_and_an_error_come_out_as_they_went_in() -> None:
    source = AnswerSource("engine", "CPU", "CPUExecutionProvider", "m", "http", (("engine:gpu", "none"),))
    error = ContextLengthExceededError(prompt_tokens=9, context_length=8)

    found = codec.decode_error(codec.encode_error(error))
    assert codec.decode_source(codec.encode_source(source)) == source
    assert (type(found), vars(found)) == (ContextLengthExceededError, {**vars(error), "param": None})


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_what_is_no_number_reaches_the_one_that_refuses_it_by_name(value: float) -> None:
    request = GenerationRequest(sampling=SamplingParameters(temperature=value))

    found = codec.decode_request(codec.encode_request(request)).sampling.temperature
    assert found == value or (math.isnan(found) and math.isnan(value))


def test_half_a_character_is_refused_before_it_is_sent() -> None:
    with pytest.raises(InvalidRequestError, match="lone surrogate"):
        codec.encode_request(GenerationRequest(messages=(Message("user", "\ud800"),)))


@pytest.mark.parametrize("payload", [b"", b"{", b"[]", b'{"messages": 3}', b'{"sampling": {"seed": "x"}}'])
def test_what_is_no_request_is_refused(payload: bytes) -> None:
    with pytest.raises(InvalidRequestError, match="Not a request"):
        codec.decode_request(payload)
