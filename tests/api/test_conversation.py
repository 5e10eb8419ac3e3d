"""A history becomes messages, and the same history the same messages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from codex_windows_ai.api.openai.tools import read_tools
from codex_windows_ai.api.shared.contents import read_contents
from codex_windows_ai.api.shared.conversation import Conversation
from codex_windows_ai.chat.conversation import spelled
from codex_windows_ai.chat.formats.hermes import HermesParser, spell
from codex_windows_ai.errors import InvalidRequestError
from codex_windows_ai.protocol.answer import CallEnded, TextPiece
from codex_windows_ai.protocol.message import Message
from codex_windows_ai.protocol.tools import ToolSet

READ_CALL = '<tool_call>\n{"name": "read", "arguments": {"path": "a"}}\n</tool_call>'
NOTE_CALL = '<tool_call>\n{"name": "note"}\nfree\ntext\n</tool_call>'


def written(made: Conversation) -> list[tuple[str, str]]:
    """The turns as a model of the Hermes family reads them."""
    return [(message.role, spelled(message.parts, spell).text) for message in made.messages()]


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


def test_a_result_without_its_call_is_shown_and_named() -> None:
    made = conversation(("user", "b"))
    made.add_call("function", "read", '{"path": "a"}', call_id="2")
    made.add_result("1", "of a call that was shortened away", param="input[3].output")
    made.add_result("2", "second", param="input[4].output")

    assert written(made)[2:] == [("tool", "second"), ("tool", "of a call that was shortened away")]
    assert made.left_out == ["input[3].output: its call is missing"]


@pytest.mark.parametrize("role", ["critic", "tool", "function"])
def test_an_unknown_role_is_refused_now_and_read_as_a_users_words_later(role: str) -> None:
    made = conversation((role, "a"))
    with pytest.raises(InvalidRequestError, match=f"`{role}`") as refused:
        made.messages()
    made.add_message("user", "b", param="input")

    assert refused.value.param == "input.role"
    assert made.messages() == (Message("user", "a"), Message("user", "b"))
    assert made.left_out == ["input.role"]


@pytest.mark.parametrize(("body", "read"), [("", "{}"), (None, "{}"), (" ", "{}"), ("{", "{"), ({"a": 1}, '{"a": 1}')])
def test_arguments_are_read_in_one_way(body: Any, read: str) -> None:
    made = conversation(("user", "b"))
    made.add_call("function", "f", body, call_id=None)

    assert written(made)[1] == ("assistant", f'<tool_call>\n{{"name": "f", "arguments": {read}}}\n</tool_call>')


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("a", "a"),
        (None, ""),
        ([], ""),
        ([{"type": "input_text", "text": "a"}, {"type": "text", "text": "b"}], "a\nb"),
        ([{"type": "output_text", "text": "a", "annotations": []}], "a"),
        ([{"type": "refusal", "refusal": "no"}], "no"),
        ({"type": "text", "text": "a"}, "a"),
        (["a", {"type": "summary_text", "text": "b"}], "a\nb"),
        ({"text": "a"}, "a"),
        ([{"type": None, "text": "a"}, None, {"text": "b"}], "a\nb"),
    ],
)
def test_content_is_text_or_parts_of_text(content: Any, text: str) -> None:
    read = read_contents(content, param="content")

    assert (read.text, read.left_out, read.unread) == (text, [], None)


@pytest.mark.parametrize(
    ("part", "left_out", "placeholder"),
    [
        ({"type": "input_image", "image_url": "data:"}, "content[1]: input_image", "An image was here"),
        ({"type": "image_url", "image_url": {"url": "data:"}}, "content[1]: image_url", "An image was here"),
        ({"type": "input_file", "filename": "a.pdf"}, "content[1]: input_file", "A file called a.pdf was here"),
        ({"type": "input_audio", "input_audio": {}}, "content[1]: input_audio", "Audio was here"),
        ({"type": "hologram"}, "content[1]: hologram", "Content of the type hologram was here"),
        ({"type": "input_text"}, "content[1]: input_text", ""),
    ],
)
def test_what_is_no_text_leaves_a_placeholder(part: Any, left_out: str, placeholder: str) -> None:
    read = read_contents([{"type": "input_text", "text": "a"}, part], param="content")

    assert read.left_out == [left_out]
    assert read.text.startswith(f"a\n[{placeholder}" if placeholder else "a\n")
    assert read.unread is not None
    assert (read.unread.param or "").startswith("content[1]")


@pytest.mark.parametrize(
    ("content", "place"),
    [(3, "content"), ({"a": 1}, "content"), ([3], "content[0]"), (["a", [3]], "content[1]"), ({"text": 3}, "content")],
)
def test_content_of_another_kind_is_its_json_text_and_refused_where_it_is_asked_about(content: Any, place: str) -> None:
    read = read_contents(content, param="content")

    assert read.left_out == [place]
    assert read.unread is not None
    assert read.unread.param == place
    assert "3" in read.text or '{"a": 1}' in read.text


@pytest.mark.parametrize("content", [3, {"text": "a"}, [3], [None], [{"text": "a"}], {"a": 1}])
def test_what_a_tool_returned_may_be_any_json(content: Any) -> None:
    read = read_contents(content, param="output", result=True)

    assert (json.loads(read.text), read.left_out) == (content, [])


IMAGE = [{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": "data:"}}]


def test_an_image_is_refused_where_it_is_asked_about_and_history_later() -> None:
    made = conversation(("user", "a"))
    made.add_message("user", IMAGE, param="messages[1]")
    made.add_message("system", "Be brief.", param="messages[2]")
    with pytest.raises(InvalidRequestError, match="image_url") as refused:
        made.messages()
    made.add_message("user", "Never mind.", param="messages[3]")

    assert refused.value.param == "messages[1].content[1].type"
    assert made.messages()[1].text == "What is this?\n[An image was here. This model reads text only.]"
    assert made.left_out == ["messages[1].content[1]: image_url"]


@pytest.mark.parametrize("later", ["answered", "called"])
def test_an_image_that_was_answered_is_history(later: str) -> None:
    made = conversation()
    made.add_message("user", IMAGE, param="messages[0]")
    if later == "answered":
        made.add_message("assistant", "A cat.", param="messages[1]")
    else:
        made.add_call("function", "look", "", call_id="1")

    assert made.messages()[0].role == "user"


def test_an_image_in_a_result_never_ends_a_session() -> None:
    made = conversation(("user", "Look."))
    made.add_call("function", "shot", "", call_id="1")
    made.add_result("1", IMAGE[1:], param="messages[2].content")

    assert written(made)[-1] == ("tool", "[An image was here. This model reads text only.]")
    assert made.left_out == ["messages[2].content[0]: image_url"]


MANY = 60_000


def test_tens_of_thousands_of_system_messages_become_one() -> None:
    made = conversation(*[("system", "x" * 200)] * MANY, ("user", "go"))

    first, second = made.messages()
    assert len(first.text) == MANY * 202 - 2
    assert second == Message("user", "go")
    assert made.messages() == (first, second)


def test_tens_of_thousands_of_calls_meet_what_they_returned() -> None:
    made = conversation(("user", "go"))
    for number in range(MANY):
        made.add_call("function", "read", "{}", call_id=f"call_{number}")
        made.add_result(f"call_{number}", f"{number}", param="input")

    messages = made.messages()
    assert not made.left_out
    assert [message.text for message in messages if message.role == "tool"] == [str(number) for number in range(MANY)]


def test_a_call_is_found_by_the_last_of_its_id_and_one_that_is_missing_comes_last() -> None:
    made = conversation(("user", "go"))
    for call_id in ("twice", "once", "twice"):
        made.add_call("function", "read", "{}", call_id=call_id)
    for call_id in ("missing", "twice", "once"):
        made.add_result(call_id, call_id, param="input")

    assert [message.text for message in made.messages()[2:]] == ["once", "twice", "missing"]
    assert made.left_out == ["input: its call is missing"]
