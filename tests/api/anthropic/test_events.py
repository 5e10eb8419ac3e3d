"""The events of a stream: their order, and their shape by the types of Anthropic's own SDK."""

from __future__ import annotations

import json
from itertools import chain
from typing import Any

import pytest
from anthropic.types import Message, RawMessageStreamEvent, ToolUseBlock
from anthropic.types.shared import ErrorResponse
from pydantic import TypeAdapter

from codex_windows_ai.api.anthropic.writer import MessageWriter
from codex_windows_ai.api.shared.seal import ReasoningSeal
from codex_windows_ai.errors import ContentFilteredError, EngineBusyError, EngineClosedError
from codex_windows_ai.protocol.answer import (
    AnswerPart,
    CallBegun,
    CallEnded,
    CallPiece,
    Delta,
    FinishReason,
    ReasoningPiece,
    TextPiece,
    Timings,
    Usage,
)
from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.protocol.tools import ToolName

EVENT: TypeAdapter[Any] = TypeAdapter(RawMessageStreamEvent)
SEAL = ReasoningSeal(b"key")
READ = ToolName("function", "read")
CALL: list[AnswerPart] = [CallBegun(READ), CallPiece('{"a"'), CallPiece(": 1}"), CallEnded(READ, '{"a": 1}')]
CUT: list[AnswerPart] = [CallBegun(READ), CallPiece('{"a"'), CallEnded(READ, '{"a"', complete=False)]

TEXT_BLOCK = ["content_block_start text", "text_delta", "content_block_stop"]
THOUGHT_BLOCK = ["content_block_start thinking", "thinking_delta", "signature_delta", "content_block_stop"]
CALL_BLOCK = ["content_block_start tool_use", "input_json_delta", "content_block_stop"]


def written(*parts: AnswerPart, reason: FinishReason = "stop", **options: Any) -> tuple[list[dict[str, Any]], Message]:
    """The events of an answer whose parts come one by one, and its message; each is what the SDK knows."""
    writer = MessageWriter("m", seal=SEAL, limit=options.pop("limit", 9), **options)
    writer.answered_by(AnswerSource("engine", "CPU", "CPUExecutionProvider", "tiny", "in-process"))
    sent = writer.begin()
    for part in parts:
        sent += [*writer.add(Delta().holding([part])), *writer.heartbeat()]
    last = Delta(finish_reason=reason, usage=Usage(7, 3, 9, reasoning_tokens=2), timings=Timings(0, 0, 0, 0))
    sent += writer.add(last)
    return checked(sent), Message.model_validate_json(str(writer.whole()), strict=True)


def checked(sent: list[Any]) -> list[dict[str, Any]]:
    """The data of events, each of which is sent under the name of its type and valid by the SDK's own types."""
    events = [json.loads(data) for _, data in sent]
    assert [name for name, _ in sent] == [event["type"] for event in events]
    for event in events:
        if event["type"] != "ping":  # the SDK skips it
            assert EVENT.validate_python(event, strict=False).type == event["type"]
    return events


def kinds(events: list[dict[str, Any]]) -> list[str]:
    """What the events say, repeated deltas once."""
    named = [
        event["delta"]["type"]
        if event["type"] == "content_block_delta"
        else f"content_block_start {event['content_block']['type']}"
        if event["type"] == "content_block_start"
        else event["type"]
        for event in events
        if event["type"] != "ping"
    ]
    return [name for n, name in enumerate(named) if not (n and name == named[n - 1] and name.endswith("delta"))]


def test_a_call_keeps_the_id_that_its_model_gives_it() -> None:
    events, message = written(CallBegun(READ, call_id="abcDEF123"), *CALL[1:], CallBegun(READ), *CALL[1:])

    begun = [event["content_block"]["id"] for event in events if event["type"] == "content_block_start"]
    assert begun == [block.id for block in message.content if isinstance(block, ToolUseBlock)]
    assert begun[0] == "abcDEF123"
    assert begun[1].startswith("toolu_")


@pytest.mark.parametrize(
    ("parts", "blocks"),
    [
        ([TextPiece("He"), TextPiece("llo")], [TEXT_BLOCK]),
        ([], [["content_block_start text", "content_block_stop"]]),
        (CALL, [CALL_BLOCK]),
        ([ReasoningPiece("Hm"), ReasoningPiece("."), TextPiece("Yes.")], [THOUGHT_BLOCK, TEXT_BLOCK]),
        (
            [ReasoningPiece("Hm."), TextPiece("I look."), *CALL, *CALL],
            [THOUGHT_BLOCK, TEXT_BLOCK, CALL_BLOCK, CALL_BLOCK],
        ),
    ],
)
def test_blocks_are_opened_filled_and_closed_in_turn(parts: list[AnswerPart], blocks: list[list[str]]) -> None:
    events, message = written(*parts)

    assert kinds(events) == ["message_start", *chain(*blocks), "message_delta", "message_stop"]
    starts = [event for event in events if event["type"] == "content_block_start"]
    assert [event["index"] for event in starts] == list(range(len(blocks)))
    assert [block.type for block in message.content] == [event["content_block"]["type"] for event in starts]


def test_deltas_add_up_to_the_message() -> None:
    events, message = written(ReasoningPiece("Hm"), ReasoningPiece("."), TextPiece("I "), TextPiece("look."), *CALL)
    deltas = [event["delta"] for event in events if event["type"] == "content_block_delta"]

    def joined(name: str) -> str:
        return "".join(delta.get(name, "") for delta in deltas)

    thought, words, call = message.content
    assert thought.type == "thinking"
    assert (thought.thinking, thought.signature) == (joined("thinking"), joined("signature"))
    assert SEAL.open(thought.signature) == "Hm."
    assert words.type == "text"
    assert words.text == joined("text") == "I look."
    assert call.type == "tool_use"
    assert call.input == json.loads(joined("partial_json"))


def test_usage_tells_what_the_cache_had() -> None:
    events, message = written(TextPiece("Hi"))

    assert (message.usage.input_tokens, message.usage.cache_read_input_tokens, message.usage.output_tokens) == (4, 3, 9)
    assert events[-2]["usage"] == json.loads(message.usage.model_dump_json(exclude_unset=True))
    assert events[-2]["windows_ai"]["provider"] == "engine"


@pytest.mark.parametrize(
    ("parts", "reason", "limit", "expected"),
    [
        ([TextPiece("Hi")], "stop", 9, "end_turn"),
        ([TextPiece("Hi"), *CALL], "stop", 9, "tool_use"),
        ([TextPiece("Hi")], "length", 9, "max_tokens"),
        ([TextPiece("Hi")], "length", 10, "model_context_window_exceeded"),
        ([TextPiece("Hi")], "length", None, "max_tokens"),
        ([TextPiece("Hi")], "cancelled", 10, "max_tokens"),
        ([TextPiece("Hi"), *CUT], "length", 9, "max_tokens"),
    ],
)
def test_the_reason_is_why_it_ended(
    parts: list[AnswerPart], reason: FinishReason, limit: int | None, expected: str
) -> None:
    events, message = written(*parts, reason=reason, limit=limit)

    assert message.stop_reason == events[-2]["delta"]["stop_reason"] == expected


def test_a_call_that_was_cut_off_is_no_part_of_the_message() -> None:
    events, message = written(TextPiece("I look."), *CUT, reason="length")

    assert [block.type for block in message.content] == ["text"]
    assert kinds(events)[1:-2] == [*TEXT_BLOCK, *CALL_BLOCK]


def test_a_thought_that_is_not_shown_is_sealed_all_the_same() -> None:
    events, message = written(ReasoningPiece("Hm."), TextPiece("Yes."), shows_thoughts=False)
    thought = message.content[0]

    assert thought.type == "thinking"
    assert (thought.thinking, SEAL.open(thought.signature)) == ("", "Hm.")
    assert "thinking_delta" not in kinds(events)
    assert "signature_delta" in kinds(events)


@pytest.mark.parametrize(
    ("error", "kind"),
    [(EngineBusyError("Full.", retry_after=2), "rate_limit_error"), (EngineClosedError("Over."), "overloaded_error")],
)
def test_an_error_ends_the_stream_in_its_own_event(error: Exception, kind: str) -> None:
    writer = MessageWriter("m", seal=SEAL, limit=9)
    ((name, data),) = writer.fail(error)  # type: ignore[arg-type]

    described = ErrorResponse.model_validate(data)
    assert (name, described.type, described.error.type) == ("error", "error", kind)


def test_what_a_filter_stops_ends_as_a_refusal() -> None:
    writer = MessageWriter("m", seal=SEAL, limit=9)
    sent = [*writer.begin(), *writer.add(Delta("I"))]
    events = checked([*sent, *writer.fail(ContentFilteredError("Windows' filter stepped in."))])

    assert kinds(events) == ["message_start", *TEXT_BLOCK, "message_delta", "message_stop"]
    assert events[-2]["delta"]["stop_reason"] == "refusal"
    assert "filter" in events[-2]["delta"]["stop_details"]["explanation"]
