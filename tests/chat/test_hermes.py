"""The Hermes format: what a model is told of tools, of calls and of what they returned."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from codex_windows_ai.api.openai.tools import make_tool_set, read_tools
from codex_windows_ai.chat.format import ChatFormat
from codex_windows_ai.chat.formats import chat_format
from codex_windows_ai.chat.formats.hermes import Hermes, call_form, definition
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.errors import InvalidGrammarError, InvalidRequestError
from codex_windows_ai.protocol.answer import CallBegun, CallEnded, CallPiece, Delta, TextPiece
from codex_windows_ai.protocol.grammar import Grammar
from codex_windows_ai.protocol.message import Call, Image, Message, Reasoning, Result, Text
from codex_windows_ai.protocol.request import GenerationRequest
from codex_windows_ai.protocol.tools import Tool, ToolSet

WriteTemplate = Callable[[str], ChatFormat]
HELLO = Message("user", "Hello")
SCHEMA: dict[str, Any] = {"type": "object", "properties": {"a": {"type": "integer"}}}
LARK = {"type": "grammar", "syntax": "lark", "definition": 'start: "a"'}
FUNCTION = {"type": "function", "name": "read", "description": "Reads.", "parameters": SCHEMA, "strict": True}
CUSTOM = {"type": "custom", "name": "patch", "format": LARK}
TOOLS = ToolSet((Tool("function", "read", description="<|im_end|>"),))
TOOL_TEMPLATE = (
    "{% if tools %}<tools>{% for tool in tools %}{{ tool | tojson }}{% endfor %}</tools> <tool_call>{% endif %}"
    "{% for message in messages %}[{{ message.role }}] {{ message.content }}{% endfor %} tool_response"
)


@pytest.fixture
def hermes(default_model: Path, tokenizer: Tokenizer) -> Hermes:
    """The format of the default model, whose template knows no tools."""
    form = chat_format(default_model, tokenizer)
    assert isinstance(form, Hermes)
    return form


@pytest.fixture
def write_template(tmp_path: Path, tokenizer: Tokenizer) -> WriteTemplate:
    """The format with a template of the test's own, on the default model's tokenizer."""

    def write(source: str) -> ChatFormat:
        (tmp_path / "tokenizer_config.json").write_text("{}", encoding="utf-8")
        (tmp_path / "chat_template.jinja").write_text(source, encoding="utf-8")
        return chat_format(tmp_path, tokenizer)

    return write


def rendered(form: ChatFormat, *messages: Message, tools: ToolSet | None = None) -> str:
    tokens = form.render(messages, tools or ToolSet())
    return b"".join(form.tokenizer.token_bytes[token] for token in tokens).decode()


def test_the_default_model_talks_so(hermes: ChatFormat) -> None:
    assert hermes.name == "hermes"


def test_a_template_that_knows_no_tools_gets_them_in_the_system_message(hermes: Hermes) -> None:
    told = hermes.instructions(TOOLS)
    with_system = rendered(hermes, Message("system", "Be brief."), HELLO, tools=TOOLS)
    without = rendered(hermes, HELLO, tools=TOOLS)

    assert with_system.startswith(f"<|im_start|>system\nBe brief.\n\n{told}<|im_end|>\n<|im_start|>user")
    assert without.startswith(f"<|im_start|>system\n{told}<|im_end|>\n<|im_start|>user\n")


def test_a_template_that_knows_tools_gets_their_definitions(write_template: WriteTemplate) -> None:
    text = rendered(write_template(TOOL_TEMPLATE), HELLO, Message("tool", "42"), tools=TOOLS)

    assert text == f"<tools>{definition(TOOLS.tools[0])}</tools> <tool_call>[user] Hello[tool] 42 tool_response"


@pytest.mark.parametrize("source", [None, TOOL_TEMPLATE])
def test_special_tokens_in_a_tools_description_end_no_turn(
    hermes: ChatFormat, write_template: WriteTemplate, source: str | None
) -> None:
    form = hermes if source is None else write_template(source)
    end = form.tokenizer.special_ids["<|im_end|>"]
    turns = [Message("system", "s"), HELLO]

    assert form.render(turns, TOOLS).count(end) == form.render(turns, ToolSet()).count(end)


def test_what_a_tool_returned_is_a_users_turn_where_a_template_knows_no_other(hermes: ChatFormat) -> None:
    text = rendered(hermes, HELLO, Message("tool", (Result("42", "1"),)))

    assert "<|im_start|>user\n<tool_response>\n42\n</tool_response><|im_end|>" in text


def test_calls_stand_in_a_turn_as_the_model_wrote_them_and_what_it_cannot_read_does_not(hermes: ChatFormat) -> None:
    call = Call("function", "read", '{"a": 1}', "1")
    note = Call("custom", "note", "free\ntext", "2")
    turn = Message("assistant", (Reasoning("Hm."), Text("I look.\n"), call, Image(), note))

    text = rendered(hermes, HELLO, turn)

    written = (
        f"I look.\n{call_form('function', 'read').write(call.body)}\n{call_form('custom', 'note').write(note.body)}"
    )
    assert f"<|im_start|>assistant\n{written}<|im_end|>" in text
    assert "Hm." not in text


def test_the_model_is_told_of_all_tools_whatever_the_choice(hermes: Hermes) -> None:
    tools = make_tool_set(read_tools([FUNCTION, CUSTOM]))
    told = hermes.instructions(tools)

    definitions = [definition(tool) for tool in tools.tools]
    assert [json.loads(one)["function"]["name"] for one in definitions] == ["read", "patch"]
    assert all(one in told for one in definitions)
    for choice in ("none", "required", {"type": "function", "name": "read"}):
        assert hermes.instructions(make_tool_set(tools.tools, choice)) == told


def test_a_custom_tool_says_how_its_text_is_written() -> None:
    [tool] = read_tools([CUSTOM])

    described = json.loads(definition(tool))["function"]["description"]
    assert call_form("custom", "patch").write("TEXT") in described
    assert 'start: "a"' in described


ASSISTANT = Message("assistant", "The capital of France is ")


@pytest.mark.parametrize("tools", [ToolSet(), TOOLS])
def test_an_answer_goes_on_from_the_assistants_last_words(hermes: ChatFormat, tools: ToolSet) -> None:
    asked = hermes.render([HELLO], tools)

    prompt = hermes.prepare(GenerationRequest(messages=(HELLO, ASSISTANT), tools=tools))

    assert list(prompt.tokens) == [*asked, *hermes.tokenizer.encode_text("The capital of France is ")]
    assert prompt.left_out == ()


@pytest.mark.parametrize(
    "source",
    [
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content | trim }}<|im_end|>\n{% endfor %}",
        "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content.split('</think>')[-1] }}<|im_end|>{% endfor %}",
        "{% for m in messages %}{{ '<|im_start|>' ~ m.role ~ '\n' ~ m.content ~ '<|im_end|>\n' }}{% endfor %}",
    ],
)
def test_it_goes_on_whatever_the_template_does_around_words(write_template: WriteTemplate, source: str) -> None:
    form = write_template(source)

    prompt = form.prepare(GenerationRequest(messages=(HELLO, Message("assistant", " <|im_end|> is \ufdd2"))))

    text = b"".join(form.tokenizer.token_bytes[token] for token in prompt.tokens).decode()
    assert text.endswith("<|im_end|> is \ufdd2")
    assert prompt.tokens.count(form.tokenizer.special_ids["<|im_end|>"]) == 1


@pytest.mark.parametrize("last", [Message("assistant", " "), Message("assistant", (Reasoning("Hm."),)), HELLO])
def test_without_words_of_the_assistants_there_is_nothing_to_go_on_from(hermes: ChatFormat, last: Message) -> None:
    prompt = hermes.prepare(GenerationRequest(messages=(HELLO, last)))

    assert list(prompt.tokens) == hermes.render([HELLO, last], ToolSet())
    assert not any("continued" in remark for remark in prompt.left_out)


CHANGES = "{% for m in messages %}[{{ m.role }}]{{ m.content | upper }}{% endfor %}"


@pytest.mark.parametrize(
    ("source", "last", "grammar", "reason"),
    [
        (None, Message("assistant", (Text("I look."), Call("function", "read", "{}", "1"))), None, "calls a tool"),
        (None, Message("assistant", '{"a":'), Grammar("json_schema", '{"type": "object"}'), "schema or grammar"),
        (CHANGES, ASSISTANT, None, "does not write it as it is"),
    ],
)
def test_what_cannot_be_gone_on_from_is_answered_in_a_new_turn_and_said(
    hermes: ChatFormat,
    write_template: WriteTemplate,
    source: str | None,
    last: Message,
    grammar: Grammar | None,
    reason: str,
) -> None:
    form = hermes if source is None else write_template(source)

    prompt = form.prepare(GenerationRequest(messages=(HELLO, last), grammar=grammar))

    assert list(prompt.tokens) == form.render([HELLO, last], ToolSet())
    [left_out] = prompt.left_out
    assert reason in left_out
    assert "new turn" in left_out


def test_a_request_is_prepared_once_with_what_reads_its_answer(hermes: ChatFormat) -> None:
    tool = Tool("function", "read", parameters=SCHEMA)
    prompt = hermes.prepare(GenerationRequest(messages=(HELLO,), tools=ToolSet((tool,), mode="required")))

    assert list(prompt.tokens) == hermes.render([HELLO], ToolSet((tool,)))
    assert prompt.grammar is not None
    read = prompt.read(Delta(call_form("function", "read").write('{"a": 1}'), finish_reason="stop"))
    assert read.text == ""
    assert read.parts == (CallBegun(tool.named), CallPiece('{"a": 1}'), CallEnded(tool.named, '{"a": 1}'))


def test_an_answer_that_is_cut_off_in_a_call_has_half_of_it(hermes: ChatFormat) -> None:
    tool = Tool("function", "read", parameters=SCHEMA)
    prompt = hermes.prepare(GenerationRequest(messages=(HELLO,), tools=ToolSet((tool,))))
    begun = call_form("function", "read").begin + '{"a"'

    read = prompt.read(Delta(f"Look: {begun}", finish_reason="length"))

    assert read.pieces == (
        TextPiece("Look: "),
        CallBegun(tool.named),
        CallPiece('{"a"'),
        CallEnded(tool.named, '{"a"', complete=False),
    )


def test_without_tools_an_answer_is_what_the_model_wrote(hermes: ChatFormat) -> None:
    prompt = hermes.prepare(GenerationRequest(messages=(HELLO,), grammar=Grammar("regex", "a+")))

    delta = Delta("<tool_call>", finish_reason="stop")
    assert prompt.grammar == Grammar("regex", "a+")
    assert prompt.read(delta) is delta


def test_token_ids_are_taken_as_they_are(hermes: ChatFormat) -> None:
    assert hermes.prepare(GenerationRequest(prompt_token_ids=(1, 2, 3))).tokens == (1, 2, 3)


@pytest.mark.parametrize("messages", [(), (Message("user", " "),), (Message("user", ()),)])
def test_a_prompt_of_nothing_is_refused(hermes: ChatFormat, messages: tuple[Message, ...]) -> None:
    with pytest.raises(InvalidRequestError, match="The prompt is empty"):
        hermes.prepare(GenerationRequest(messages=messages))


def test_a_tool_that_cannot_be_followed_is_refused_by_name(hermes: ChatFormat) -> None:
    tool = Tool("custom", "bad", grammar=Grammar("lark", "nonsense"))

    with pytest.raises(InvalidGrammarError, match="tool `bad` cannot be offered"):
        hermes.prepare(GenerationRequest(messages=(HELLO,), tools=ToolSet((tool,))))
