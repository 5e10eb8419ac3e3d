"""A history becomes messages, and the same history the same messages."""

from __future__ import annotations

from typing import Any

import pytest

from codex_windows_ai.api.openai.tools import read_tools
from codex_windows_ai.api.shared.conversation import Conversation, read_text
from codex_windows_ai.chat.formats.hermes import HermesParser, write_turn
from codex_windows_ai.errors import InvalidRequestError
from codex_windows_ai.protocol.answer import CallEnded, TextPiece
from codex_windows_ai.protocol.message import Message
from codex_windows_ai.protocol.tools import ToolSet

READ_CALL = '<tool_call>\n{"name": "read", "arguments": {"path": "a"}}\n</tool_call>'
NOTE_CALL = '<tool_call>\n{"name": "note"}\nfree\ntext\n</tool_call>'


def written(made: Conversation) -> list[tuple[str, str]]:
    """The turns as a model of the Hermes family reads them."""
    return [(message.role, write_turn(message.parts)) for message in made.messages()]


def conversation(*turns: tuple[str, str]) -> Conversation:
    made = Conversation()
    for role, text in turns:
        made.add_message(role, text, param="input")
    return made


def test_system_messages_at_the_start_become_one() -> None:
    made = conversation(("system", "a"), ("developer", "b"), ("user", "c"), ("developer", "d"))

    assert made.messages() == (Message("system", "a\n\nb"), Message("user", "c"), Message("system", "d"))


def test_what_an_assistant_says_and_calls_in_a_row_is_one_turn_as_the_model_wrote_it() -> None:
    told = f"I look.\n{READ_CALL}\n{NOTE_CALL}"
    tools = ToolSet(read_tools([{"type": "function", "name": "read"}, {"type": "custom", "name": "note"}]))
    parser = HermesParser(tools)
    made = conversation(("user", "Look."))

    for part in parser.push(told) + parser.finish():
        if isinstance(part, TextPiece):
            made.add_message("assistant", part.text, param="input")
        elif isinstance(part, CallEnded):
            made.add_call(part.tool.kind, part.tool.qualified, part.body, call_id=part.tool.name)

    assert written(made)[1:] == [("assistant", told)]


def test_results_come_in_the_order_of_the_calls() -> None:
    made = conversation(("user", "Look."))
    made.add_call("function", "read", '{"path": "a"}', call_id="1")
    made.add_call("custom", "note", "free\ntext", call_id="2")
    made.add_result("2", "second", param="input")
    made.add_result("1", "first", param="input")
    made.add_message("user", "Go on.", param="input")

    assert written(made)[1:] == [
        ("assistant", f"{READ_CALL}\n{NOTE_CALL}"),
        ("tool", "first"),
        ("tool", "second"),
        ("user", "Go on."),
    ]


def test_a_call_after_a_result_is_a_turn_of_its_own() -> None:
    made = Conversation()
    for call_id in ("1", "2"):
        made.add_call("function", "read", '{"path": "a"}', call_id=call_id)
        made.add_result(call_id, call_id, param="input")

    call = ("assistant", READ_CALL)
    assert written(made) == [call, ("tool", "1"), call, ("tool", "2")]


def test_a_history_only_ever_grows() -> None:
    made = conversation(("system", "a"), ("user", "b"), ("assistant", "c"))
    before = made.messages()
    made.add_message("user", "d", param="input")

    assert made.messages()[: len(before)] == before


def test_a_result_without_its_call_is_refused_by_its_place() -> None:
    with pytest.raises(InvalidRequestError, match="no such call") as refused:
        conversation(("user", "b")).add_result("call_1", "text", param="input[3]")
    assert refused.value.param == "input[3].call_id"


def test_an_unknown_role_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="`critic`"):
        conversation(("critic", "a"))


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("a", "a"),
        ([], ""),
        ([{"type": "input_text", "text": "a"}, {"type": "text", "text": "b"}], "a\nb"),
        ([{"type": "output_text", "text": "a", "annotations": []}], "a"),
        ([{"type": "refusal", "refusal": "no"}], "no"),
    ],
)
def test_content_is_text_or_parts_of_text(content: Any, text: str) -> None:
    assert read_text(content, param="content") == text


@pytest.mark.parametrize(
    ("content", "named"),
    [
        ([{"type": "input_text", "text": "a"}, {"type": "input_image", "image_url": "data:"}], "input_image"),
        ([{"type": "input_file", "file_id": "1"}], "input_file"),
        ([{"type": "input_text"}], "no text"),
        ([3], "None"),
        (None, "must be a string"),
        ({"type": "input_text"}, "must be a string"),
    ],
)
def test_content_that_is_no_text_is_refused_by_name(content: Any, named: str) -> None:
    with pytest.raises(InvalidRequestError, match=named):
        read_text(content, param="content")
