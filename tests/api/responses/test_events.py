"""The event stream: its order, its numbers, and its shape by Open Responses' own types."""

from __future__ import annotations

import json
from typing import Any

import openresponses_types
import pytest
from openresponses_types import ResponseResource
from pydantic import BaseModel

from codex_windows_ai.api.openai.responses.request import ResponsesRequest
from codex_windows_ai.api.openai.responses.response import new_response
from codex_windows_ai.api.openai.responses.writer import ResponseWriter
from codex_windows_ai.api.openai.tools import read_tools
from codex_windows_ai.chat.format import PreparedPrompt
from codex_windows_ai.chat.formats.hermes import HermesParser
from codex_windows_ai.errors import EngineBusyError
from codex_windows_ai.protocol.answer import Delta, FinishReason, Timings, Usage
from codex_windows_ai.protocol.tools import ToolSet

READ = {"type": "function", "name": "read", "parameters": {"type": "object", "properties": {}}}
MCP = {"type": "namespace", "name": "mcp__pc", "tools": [{"type": "function", "name": "stats"}]}
NOTE = {"type": "custom", "name": "note"}
TOOLS = read_tools([READ, MCP, NOTE])
READ_CALL = '<tool_call>\n{"name": "read", "arguments": {"a": 1}}\n</tool_call>'
STATS_CALL = '<tool_call>\n{"name": "mcp__pc__stats", "arguments": {}}\n</tool_call>'
NOTE_CALL = '<tool_call>\n{"name": "note"}\nfree text\n</tool_call>'

Event = dict[str, Any]


def data_of(sent: list[Any]) -> list[Event]:
    """The events' data; each is sent under the name of its type, with its place in the stream."""
    assert [name for name, _ in sent] == [data["type"] for _, data in sent]
    assert [data["sequence_number"] for _, data in sent] == list(range(len(sent)))
    return [data for _, data in sent]


def answer(
    text: str, *, finish_reason: FinishReason = "stop", for_codex: bool = False, tools: list[Any] | None = None
) -> list[Event]:
    """The events of an answer that comes letter by letter."""
    body = ResponsesRequest(model="m", input="Hello", tools=tools or [READ])
    writer = ResponseWriter(new_response(body), completes_cut_text=for_codex)
    prompt = PreparedPrompt((1,), parser=HermesParser(ToolSet(TOOLS)))
    last = Delta(finish_reason=finish_reason, usage=Usage(5, 3, 2), timings=Timings(0, 0, 0, 0))
    sent = writer.begin()
    for delta in [*map(Delta, text), last]:
        sent += writer.add(prompt.read(delta))
    return data_of(sent)


def kinds(events: list[Event]) -> list[str]:
    """The types, repeated deltas once."""
    names = [event["type"].removeprefix("response.") for event in events]
    return [name for n, name in enumerate(names) if not (n and name == names[n - 1] and name.endswith("delta"))]


MESSAGE = [
    "output_item.added",
    "content_part.added",
    "output_text.delta",
    "output_text.done",
    "content_part.done",
    "output_item.done",
]
FUNCTION = [
    "output_item.added",
    "function_call_arguments.delta",
    "function_call_arguments.done",
    "output_item.done",
]
CUSTOM = ["output_item.added", "custom_tool_call_input.delta", "custom_tool_call_input.done", "output_item.done"]
BEGIN = ["created", "in_progress"]


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("Hello", MESSAGE),
        ("", [name for name in MESSAGE if not name.endswith("delta")]),
        (READ_CALL, FUNCTION),
        (NOTE_CALL, CUSTOM),
        (f"I look.\n{READ_CALL}\n{NOTE_CALL}", MESSAGE + FUNCTION + CUSTOM),
    ],
)
def test_items_are_opened_filled_and_closed_one_after_the_other(text: str, items: list[str]) -> None:
    assert kinds(answer(text)) == [*BEGIN, *items, "completed"]


def test_every_event_names_its_item_and_deltas_add_up() -> None:
    events = answer(f"I look.\n{READ_CALL}\n{STATS_CALL}\n{NOTE_CALL}")
    output = events[-1]["response"]["output"]

    assert [item["type"] for item in output] == ["message", "function_call", "function_call", "custom_tool_call"]
    for index, item in enumerate(output):
        own = [event for event in events if event.get("output_index") == index]
        assert {event.get("item_id", item["id"]) for event in own} == {item["id"]}
        assert own[-1]["item"] == item
        deltas = "".join(event["delta"] for event in own if event["type"].endswith(".delta"))
        whole = item.get("arguments", item.get("input"))
        assert deltas == (item["content"][0]["text"] if whole is None else whole)


def test_a_tool_in_a_namespace_is_called_by_both_names() -> None:
    [call] = answer(STATS_CALL)[-1]["response"]["output"]

    assert (call["namespace"], call["name"]) == ("mcp__pc", "stats")


def test_text_cut_off_is_incomplete_but_completed_for_codex() -> None:
    for_others = answer("Hello", finish_reason="length")[-1]
    for_codex = answer("Hello", finish_reason="length", for_codex=True)[-1]

    assert for_others["type"] == "response.incomplete"
    assert for_others["response"]["status"] == "incomplete"
    assert for_codex["type"] == "response.completed"
    reason = {"reason": "max_output_tokens"}
    assert for_others["response"]["incomplete_details"] == for_codex["response"]["incomplete_details"] == reason


def test_an_answer_that_was_ended_says_so() -> None:
    last = answer("Hello", finish_reason="cancelled")[-1]

    assert last["type"] == "response.incomplete"
    assert last["response"]["incomplete_details"] == {"reason": "cancelled"}
    assert last["response"]["usage"]["output_tokens"] == 2


@pytest.mark.parametrize("call", [READ_CALL, NOTE_CALL])
def test_a_call_cut_off_is_never_one_that_codex_would_run(call: str) -> None:
    for_others = answer(call[:-15], finish_reason="length")
    for_codex = answer(call[:-15], finish_reason="length", for_codex=True)

    assert for_others[-1]["response"]["output"][0]["status"] == "incomplete"
    assert "output_item.done" not in kinds(for_codex)
    assert kinds(for_codex)[-1] == kinds(for_others)[-1] == "incomplete"


def test_an_error_in_mid_stream_ends_it_with_its_code() -> None:
    writer = ResponseWriter(new_response(ResponsesRequest(model="m", input="x")), completes_cut_text=True)

    [failed] = data_of(writer.fail(EngineBusyError("Too much to do.", retry_after=2)))

    assert failed["type"] == "response.failed"
    assert failed["response"]["error"] == {
        "code": "rate_limit_exceeded",
        "message": "Too much to do. Try again in 2 s.",
    }


def streaming_event_types() -> dict[str, type[BaseModel]]:
    """Open Responses' class for each type of event."""
    found: dict[str, type[BaseModel]] = {}
    for name, kind in vars(openresponses_types.types).items():
        if name.endswith("StreamingEvent"):
            [value] = kind.model_fields["type"].annotation
            found[value.value] = kind
    return found


@pytest.mark.parametrize("text", ["Hello", "", READ_CALL, f"I look.\n{READ_CALL}"])
@pytest.mark.parametrize("finish_reason", ["stop", "length"])
def test_events_and_responses_are_valid_by_open_responses(text: str, finish_reason: FinishReason) -> None:
    types = streaming_event_types()

    for event in answer(text, finish_reason=finish_reason):
        sent = json.loads(json.dumps(event))
        types[event["type"]].model_validate(sent)
        if "response" in sent:
            ResponseResource.model_validate(sent["response"])
