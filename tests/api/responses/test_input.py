"""The parameter `input` as a conversation."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import pytest

from codex_windows_ai.api.openai.responses.input import read_input
from codex_windows_ai.chat.conversation import spelled
from codex_windows_ai.chat.formats.hermes import spell
from codex_windows_ai.errors import InvalidRequestError
from codex_windows_ai.protocol.message import Message


def messages(items: Any, instructions: str | None = None) -> tuple[Message, ...]:
    return read_input(items, instructions)[0].messages()


def written(items: Any) -> list[tuple[str, str]]:
    """The turns as a model of the Hermes family reads them."""
    return [(message.role, spelled(message.parts, spell).text) for message in messages(items)]


CALL = {"type": "function_call", "call_id": "1", "name": "stats", "namespace": "mcp__pc", "arguments": "{}"}
CALL_TEXT = '<tool_call>\n{"name": "mcp__pc__stats", "arguments": {}}\n</tool_call>'


def test_a_string_is_a_users_message() -> None:
    assert messages("Hello", "Be brief.") == (Message("system", "Be brief."), Message("user", "Hello"))


def test_messages_need_no_type() -> None:
    assert messages([{"role": "user", "content": "a"}]) == messages(
        [{"type": "message", "id": "msg_1", "role": "user", "content": [{"type": "input_text", "text": "a"}]}]
    )


def test_calls_and_their_outputs_are_turns() -> None:
    custom = {"type": "custom_tool_call", "call_id": "2", "name": "note", "input": "text"}
    outputs = [
        {"type": "function_call_output", "call_id": "1", "output": [{"type": "input_text", "text": "one"}]},
        {"type": "custom_tool_call_output", "call_id": "2", "output": "two"},
    ]

    assert written([CALL, custom, *outputs]) == [
        ("assistant", f'{CALL_TEXT}\n<tool_call>\n{{"name": "note"}}\ntext\n</tool_call>'),
        ("tool", "one"),
        ("tool", "two"),
    ]


def test_ids_and_reasoning_change_nothing() -> None:
    plain = [{"role": "user", "content": "a"}, CALL]
    decorated = [
        {"role": "user", "content": "a", "id": "msg_7", "status": "completed"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "…"},
        {**CALL, "id": "fc_9", "call_id": "other", "status": "completed"},
    ]

    assert written(plain) == written(decorated)


def test_tools_inside_the_input_are_tools() -> None:
    function = {"type": "function", "name": "read"}
    item = {"type": "additional_tools", "role": "developer", "tools": [function, {"type": "web_search"}]}

    made, tools = read_input([item, {"role": "user", "content": "a"}])

    assert tools == [function, {"type": "web_search"}]
    assert made.messages() == (Message("user", "a"),)


FOREIGN: list[dict[str, Any]] = [
    {"type": "compaction", "id": "cmp_1", "encrypted_content": "AAAA"},
    {"type": "tool_search_call", "call_id": "t1", "execution": "client", "arguments": {"query": "browser"}},
    {"type": "tool_search_output", "call_id": "t1", "execution": "client", "tools": []},
    {"type": "web_search_call", "id": "w1", "action": {"type": "search", "query": "x"}},
    {"type": "image_generation_call", "id": "ig_1", "result": "AAAA"},
    {"type": "local_shell_call", "call_id": "s1", "action": {"type": "exec", "command": ["ls"]}},
    {"type": "item_reference", "id": "msg_1"},
    {"type": "reasoning", "id": "rs_1", "summary": []},
    {"type": "not_yet_invented", "id": "x"},
    {"type": 7},
    {"type": "function_call", "call_id": "c1", "name": None, "arguments": "{}"},
]


@pytest.mark.parametrize("item", FOREIGN, ids=lambda item: str(item["type"]))
def test_an_item_of_another_model_or_of_somebodys_servers_is_left_out_and_named(item: dict[str, Any]) -> None:
    made, _ = read_input([{"role": "user", "content": "a"}, item, {"role": "user", "content": "b"}])

    assert made.messages() == (Message("user", "a"), Message("user", "b"))
    assert made.left_out == [f"input[1]: {item['type']}"]


@pytest.mark.parametrize("kind", ["local_shell_call_output", "mcp_call", "shell_call_output", "not_yet_invented"])
def test_what_a_foreign_tool_returned_is_shown(kind: str) -> None:
    item = {"type": kind, "call_id": "s1", "output": "a.txt"}

    assert written([{"role": "user", "content": "a"}, item]) == [("user", "a"), ("tool", "a.txt")]


def test_a_message_of_a_tool_is_what_a_call_returned() -> None:
    result = {"role": "tool", "tool_call_id": "1", "content": "one"}

    assert written([CALL, result]) == written([CALL, {"type": "function_call_output", "call_id": "1", "output": "one"}])


@pytest.mark.parametrize("kind", ["function_call_output", "custom_tool_call_output"])
@pytest.mark.parametrize(("output", "shown"), [(None, ""), ({"ok": True}, '{"ok": true}'), ([1], "[1]"), (3, "3")])
def test_an_output_may_be_any_json(kind: str, output: Any, shown: str) -> None:
    assert written([CALL, {"type": kind, "call_id": "1", "output": output}])[-1] == ("tool", shown)


@pytest.mark.parametrize(
    ("item", "param"),
    [
        ({"content": "a"}, "input[0].role"),
        ({"role": "critic", "content": "a"}, "input[0].role"),
        ({"role": "user", "content": 3}, "input[0].content"),
        ({"role": "user", "content": [{"type": "input_image"}]}, "input[0].content[0].type"),
        ({"type": None, "role": None, "content": "a"}, "input[0].role"),
    ],
)
def test_an_item_that_is_not_understood_is_refused_by_its_place(item: dict[str, Any], param: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        messages([item])
    assert refused.value.param == param


@pytest.mark.parametrize(("arguments", "read"), [("", "{}"), (" ", "{}"), ("{", "{"), ('{"a": 1}', '{"a": 1}')])
def test_empty_arguments_are_none_and_cut_ones_stay_as_they_were_written(arguments: str, read: str) -> None:
    [(_, text)] = written([{**CALL, "arguments": arguments}])

    assert text == CALL_TEXT.replace("{}", read)


def test_null_is_no_type() -> None:
    assert messages([{"type": None, "role": "user", "content": "a"}]) == (Message("user", "a"),)


@pytest.mark.parametrize("reference", [{"id": "msg_1"}, {"id": "msg_1", "type": None}])
def test_a_reference_needs_no_type(reference: dict[str, Any]) -> None:
    made, _ = read_input([reference, {"role": "user", "content": "a"}])

    assert (made.messages(), made.left_out) == ((Message("user", "a"),), ["input[0]: item_reference"])


@pytest.mark.parametrize("role", [None, 5, ["user"]])
@pytest.mark.parametrize("content", [5, {"a": 1}, [5]])
def test_a_malformed_message_ends_no_session(role: Any, content: Any) -> None:
    made, _ = read_input([{"role": role, "content": content}, {"role": "user", "content": "a"}])

    assert made.messages()[1] == Message("user", "a")
    assert "input[0].role" in made.left_out


@pytest.mark.parametrize(
    "item",
    [
        {"type": "code_interpreter_call", "id": "1", "code": "x", "outputs": [{"type": "logs", "logs": "a.txt"}]},
        {"type": "file_search_call", "id": "1", "queries": ["x"], "results": [{"text": "a.txt"}]},
        {"type": "program_output", "call_id": "1", "result": "a.txt"},
    ],
)
def test_what_a_server_ran_returned_is_shown_wherever_it_stands(item: dict[str, Any]) -> None:
    assert "a.txt" in written([{"role": "user", "content": "a"}, item])[-1][1]


@pytest.mark.parametrize(
    ("item", "left_out"),
    [
        ({"role": "user", "content": "b", "cache_control": {"type": "ephemeral"}}, "input[1].cache_control"),
        ({"role": "assistant", "content": "b", "reasoning_content": "c"}, "input[1].reasoning_content"),
        ({**CALL, "thought_signature": "c"}, "input[1].thought_signature"),
    ],
)
def test_a_field_that_is_not_known_is_named(item: dict[str, Any], left_out: str) -> None:
    made, _ = read_input([{"role": "user", "content": "a"}, item])

    assert made.left_out == [left_out]


@pytest.mark.parametrize("kind", [[], {}, [["a"]], {"a": 1}, 1, True])
def test_a_type_that_is_no_text_is_no_fault_of_ours(kind: Any) -> None:
    with suppress(InvalidRequestError):
        read_input([{"type": kind, "role": "user", "content": "hi"}])
