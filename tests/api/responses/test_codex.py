"""Requests of the real Codex CLI, as it sends them, on the default model."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest

from tests.api.responses.codex_requests import (
    APPLY_PATCH,
    EXEC_COMMAND,
    HEADERS,
    MCP_SERVER,
    OPENING,
    WEB_SEARCH,
    message,
    turn,
)
from tests.chat.foreign_tools import FOLLOWED, LOOSENED
from tests.host.live import PATIENCE, LiveHost
from tests.hosting import TOKEN

Event = dict[str, Any]


@pytest.fixture
def codex(default_host: LiveHost) -> Iterator[httpx2.Client]:
    headers = {**HEADERS, "authorization": f"Bearer {TOKEN}"}
    with httpx2.Client(base_url=default_host.url, headers=headers, timeout=PATIENCE) as client:
        yield client


def ask(codex: httpx2.Client, body: dict[str, Any]) -> list[Event]:
    """The events of one turn, checked for their order."""
    answer = codex.post("/v1/responses", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = [json.loads(line[6:]) for line in answer.text.splitlines() if line.startswith("data: ")]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


def done_items(events: list[Event]) -> list[dict[str, Any]]:
    """All that Codex looks at."""
    return [event["item"] for event in events if event["type"] == "response.output_item.done"]


def test_a_turn_is_answered_as_codex_expects(codex: httpx2.Client, model: str) -> None:
    events = ask(codex, turn(model, OPENING, EXEC_COMMAND, APPLY_PATCH, MCP_SERVER, max_output_tokens=12))

    assert events[-1]["type"] == "response.completed"
    assert events[-1]["response"]["id"]
    assert {"input_tokens", "output_tokens", "total_tokens"} <= events[-1]["response"]["usage"].keys()
    assert done_items(events)


def test_the_next_turn_reads_only_what_is_new(codex: httpx2.Client, model: str) -> None:
    tools = (EXEC_COMMAND, MCP_SERVER)
    first = ask(codex, turn(model, OPENING, *tools, max_output_tokens=16))
    usage = first[-1]["response"]["usage"]
    history = [*OPENING, *done_items(first), message("user", "say it again")]

    second = ask(codex, turn(model, history, *tools, max_output_tokens=4))

    # All but the last, partly filled block of the first turn's prompt; its answer may be tokenised anew.
    assert second[-1]["response"]["usage"]["input_tokens_details"]["cached_tokens"] > usage["input_tokens"] - 16


def test_a_call_and_what_it_returned_extend_the_prompt_of_the_turn_before(codex: httpx2.Client, model: str) -> None:
    asked = {"tool_choice": "required", "parallel_tool_calls": False, "max_output_tokens": 200}
    first = ask(codex, turn(model, OPENING, MCP_SERVER, **asked))
    [call] = done_items(first)
    assert (call["type"], call["namespace"], call["name"]) == ("function_call", "mcp__windows_ai", "gpu_stats")
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "Output:\n42 %"}
    history = [*OPENING, call, output]

    second = ask(codex, turn(model, history, MCP_SERVER, max_output_tokens=4))
    usage = second[-1]["response"]["usage"]
    assert usage["input_tokens_details"]["cached_tokens"] > first[-1]["response"]["usage"]["input_tokens"] - 16

    as_parts = {**output, "output": [{"type": "input_text", "text": output["output"]}]}
    same = ask(codex, turn(model, [*OPENING, call, as_parts], MCP_SERVER, max_output_tokens=4))
    assert same[-1]["response"]["usage"]["input_tokens"] == usage["input_tokens"]


def test_apply_patch_gets_text_that_its_grammar_accepts(codex: httpx2.Client, model: str) -> None:
    body = turn(model, [message("user", "Delete a.txt.")], APPLY_PATCH)
    body |= {"tool_choice": {"type": "custom", "name": "apply_patch"}, "parallel_tool_calls": False}

    events = ask(codex, {**body, "max_output_tokens": 120})

    if events[-1]["type"] == "response.completed":
        [call] = done_items(events)
        assert call["type"] == "custom_tool_call"
        assert call["input"].startswith("*** Begin Patch\n*** ")
        assert call["input"].rstrip("\n").endswith("*** End Patch")
    else:  # cut off: nothing that Codex could run
        assert events[-1]["type"] == "response.incomplete"
        assert done_items(events) == []


def test_tools_that_only_openai_runs_are_left_out_and_that_is_said(codex: httpx2.Client, model: str) -> None:
    body = turn(model, OPENING, EXEC_COMMAND, WEB_SEARCH, max_output_tokens=4, text={"verbosity": "low"})

    events = ask(codex, body)

    assert events[-1]["response"]["windows_ai"]["left_out"] == [
        "text.verbosity",
        "tools[]: web_search",
    ]


def test_six_foreign_tools_beside_codexs_own_do_not_stop_a_turn(codex: httpx2.Client, model: str) -> None:
    foreign = [*FOLLOWED[:3], *LOOSENED[:3]]
    server = {"type": "namespace", "name": "mcp__foreign", "tools": [tool.function for tool in foreign]}
    tools = (EXEC_COMMAND, APPLY_PATCH, MCP_SERVER, server)

    events = ask(codex, turn(model, OPENING, *tools, tool_choice="required", max_output_tokens=4))

    loosened = events[-1]["response"]["windows_ai"]["loosened"]
    assert [remark["tool"] for remark in loosened] == [f"mcp__foreign__{tool.name}" for tool in LOOSENED[:3]]


def test_tools_may_come_inside_the_input(codex: httpx2.Client, model: str) -> None:
    item = {"type": "additional_tools", "role": "developer", "tools": [MCP_SERVER]}
    body = turn(model, [item, *OPENING], tool_choice="required", parallel_tool_calls=False)

    [call] = done_items(ask(codex, body))

    assert (call["namespace"], call["name"]) == ("mcp__windows_ai", "gpu_stats")


def test_a_title_by_a_schema(codex: httpx2.Client, model: str) -> None:
    schema = {
        "type": "object",
        "properties": {"title": {"type": "string", "maxLength": 36}},
        "required": ["title"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "strict": True, "name": "codex_output_schema", "schema": schema}

    events = ask(codex, turn(model, OPENING, text={"format": form}))

    [item] = done_items(events)
    assert len(json.loads(item["content"][0]["text"])["title"]) <= 36


def test_a_compaction_is_a_turn_like_any_other(codex: httpx2.Client, model: str) -> None:
    history = [*OPENING, message("assistant", "hi"), message("user", "You are performing a CONTEXT CHECKPOINT.")]

    events = ask(codex, turn(model, history, parallel_tool_calls=False, max_output_tokens=8))

    assert events[-1]["type"] == "response.completed"


def test_a_prompt_that_does_not_fit_is_refused_with_the_code_that_codex_knows(codex: httpx2.Client, model: str) -> None:
    answer = codex.post("/v1/responses", json=turn(model, [message("user", "word " * 20_000)]))

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "context_length_exceeded"
