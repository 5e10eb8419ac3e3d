"""Each family's form: what its template writes of a call is what the grammar lets a model write, and what is read."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from functools import cache
from itertools import pairwise
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_windows_ai.api.openai.tools import make_tool_set, read_tools
from codex_windows_ai.protocol.answer import AnswerPart, CallBegun, CallEnded, CallPiece, ReasoningPiece, TextPiece
from codex_windows_ai.protocol.message import Call, Message, Part, Result, Text
from codex_windows_ai.protocol.tools import ToolSet
from tests.chat.families import AS_TEXT, FAMILIES, Spoken, speak

ALL = FAMILIES | AS_TEXT
Load = Callable[[str], Spoken]
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "path": {"type": "string", "maxLength": 40},
        "lines": {"type": "integer", "maximum": 5000},
        "deep": {"type": "boolean"},
        "mode": {"enum": ["r", "w"]},
        "note": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
        "edit": {
            "type": "object",
            "properties": {"old": {"type": "string"}, "at": {"type": "array", "items": {"type": "number"}}},
            "required": ["old"],
        },
    },
    "required": ["path"],
}
TOOLS = read_tools(
    [
        {"type": "function", "name": "read", "parameters": SCHEMA},
        {"type": "function", "name": "read_all", "parameters": {"type": "object", "properties": {}}},
        {"type": "namespace", "name": "mcp__pc", "tools": [{"type": "function", "name": "read", "parameters": SCHEMA}]},
        {"type": "custom", "name": "note"},
    ]
)
OFFERED = ToolSet(TOOLS)
HELLO = Message("user", "Hello")
Made = tuple[str, dict[str, Any]]
"""A tool's name, and what it is called with."""


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    @cache
    def load_once(name: str) -> Spoken:
        return speak(ALL[name], tmp_path_factory.mktemp("family"))

    return load_once


def answer_of(spoken: Spoken, message: Message) -> list[int]:
    """What the model's template writes of an assistant's message, up to what ends its turn."""
    before = spoken.form.render([HELLO], OFFERED)
    whole = spoken.form.render([HELLO, message, *results(message)], OFFERED)
    assert whole[: len(before)] == before
    rest = whole[len(before) :]
    for n in range(1, len(rest) + 1):
        if rest[n - 1] in spoken.ends:
            return rest[: n - 1]
        if closed := next((end for end in spoken.closing if spoken.text(rest[:n], "replace").endswith(end)), ""):
            return rest[: n - len(closed)]
    raise AssertionError(spoken.text(rest))


def results(message: Message) -> list[Message]:
    return [Message("tool", (Result("done", part.call_id),)) for part in message.parts if isinstance(part, Call)]


def accepted(spoken: Spoken, tokens: list[int], tools: ToolSet = OFFERED) -> bool:
    """Whether a model may write these tokens, and end there."""
    grammar = spoken.form.grammar(tools, None)
    assert grammar is not None
    matcher = spoken.compiler.compile(grammar)
    for token in tokens:
        if not matcher.allowed()[token]:
            return False
        matcher.consume(token)
    return matcher.finished or any(matcher.allowed()[end] for end in spoken.ends)


def read(spoken: Spoken, *pieces: str, cut: bool = False, constrained: bool = False) -> list[AnswerPart]:
    parser = spoken.form.parser(OFFERED, text_is_constrained=constrained)
    assert parser is not None
    return [part for piece in pieces for part in parser.push(piece)] + parser.finish(cut=cut)


def said(parts: list[AnswerPart]) -> str:
    return "".join(part.text for part in parts if isinstance(part, TextPiece | ReasoningPiece))


def calls(parts: list[AnswerPart]) -> list[tuple[str, Any, bool]]:
    """The name of each tool that is called, what it takes, and whether that is all."""
    found: list[tuple[str, Any, bool]] = []
    for part in parts:
        if isinstance(part, CallEnded):
            is_json = part.tool.kind == "function" and part.complete
            found.append((part.tool.qualified, json.loads(part.body) if is_json else part.body, part.complete))
    return found


SIGNS = ["a", "é", "\n", " ", '"', "\\", "{", "}", "</tool_call>", "[ARGS]", "<", ", ", "5", "true", "'"]
TEXTS: st.SearchStrategy[str] = st.lists(st.sampled_from(SIGNS), max_size=6).map("".join)


@st.composite
def arguments(draw: st.DrawFn) -> dict[str, Any]:
    """What `SCHEMA` takes, in its order."""
    edit: dict[str, Any] = {"old": draw(TEXTS)}
    if draw(st.booleans()):
        edit["at"] = draw(st.lists(st.integers(0, 9), max_size=2))
    values: dict[str, Any] = {
        "path": draw(TEXTS)[:40],
        "lines": draw(st.integers(-5, 5000)),
        "deep": draw(st.booleans()),
        "mode": draw(st.sampled_from(["r", "w"])),
        "note": draw(st.none() | st.integers(0, 9)),
        "edit": edit,
    }
    left_out = draw(st.sets(st.sampled_from([name for name in values if name != "path"])))
    return {name: value for name, value in values.items() if name not in left_out}


@st.composite
def made_calls(draw: st.DrawFn) -> list[Made]:
    names = draw(st.lists(st.sampled_from(["read", "mcp__pc__read", "read_all"]), min_size=1, max_size=3))
    return [(name, {} if name == "read_all" else draw(arguments())) for name in names]


def cut_up(data: st.DataObject, text: str) -> list[str]:
    ends = sorted(data.draw(st.sets(st.integers(0, len(text)), max_size=8)) | {0, len(text)})
    return [text[a:b] for a, b in pairwise(ends)]


def says_words(spoken: Spoken) -> bool:
    """The model may say something before a call, and its template writes it there."""
    return spoken.form.template.calls.keeps_words and spoken.form.name not in ("llama", "harmony")


@pytest.mark.parametrize("name", ALL)
@settings(max_examples=3)
@given(made_calls(), st.sampled_from(["", "I look.", 'a < b {"x": 1}']), st.data())
def test_what_the_template_writes_of_calls_may_be_written_and_is_read_back(
    load: Load, name: str, made: list[Made], words: str, data: st.DataObject
) -> None:
    spoken = load(name)
    made = made if spoken.form.parallel else made[:1]
    words = words if says_words(spoken) else ""
    parts: list[Part] = [Text(words)] if words else []
    parts += [
        Call("function", tool, json.dumps(body, ensure_ascii=False), f"c{n:08}") for n, (tool, body) in enumerate(made)
    ]

    tokens = answer_of(spoken, Message("assistant", tuple(parts)))

    text = spoken.text(tokens)
    assert accepted(spoken, tokens), text
    for pieces in ([text], list(text), cut_up(data, text)):
        found = read(spoken, *pieces)
        assert said(found).strip() == words
        assert calls(found) == [(tool, body, True) for tool, body in made]
        streamed = "".join(part.text for part in found if isinstance(part, CallPiece))
        assert streamed == "".join(part.body for part in found if isinstance(part, CallEnded))


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("body", ["", 'any\n<b>"text"</b>\\, {also} this'])
def test_what_a_custom_tool_takes_comes_back_as_it_is(load: Load, name: str, body: str) -> None:
    spoken = load(name)

    tokens = answer_of(spoken, Message("assistant", (Call("custom", "note", body, "call00001"),)))

    assert accepted(spoken, tokens), spoken.text(tokens)
    for pieces in ([spoken.text(tokens)], list(spoken.text(tokens))):
        assert calls(read(spoken, *pieces)) == [("note", body, True)]


def write(spoken: Spoken, tools: ToolSet, beginning: str, source: random.Random) -> tuple[str, bool]:
    """An answer by a model that takes any token it may, and whether it was cut off."""
    grammar = spoken.form.grammar(tools, None)
    assert grammar is not None
    matcher = spoken.compiler.compile(grammar)
    closing = {*b'"}],\n</', *range(256, spoken.form.tokenizer.vocabulary_size)}
    tokens = spoken.form.tokenizer.encode_prompt(beginning)
    for token in tokens:
        matcher.consume(token)
    while not matcher.finished and len(tokens) < 500:
        allowed = [n for n, may in enumerate(matcher.allowed()) if may]
        ends = [n for n in allowed if n in closing]
        token = source.choice(ends if ends and source.random() < 0.5 else allowed)
        if token in spoken.ends:
            break
        matcher.consume(token)
        tokens.append(token)
    return spoken.text(tokens, "ignore"), not matcher.finished and len(tokens) == 500


@pytest.mark.parametrize("name", FAMILIES)
@settings(max_examples=3)
@given(st.sampled_from(["required", "auto"]), st.integers())
def test_whatever_a_model_writes_under_the_grammar_its_calls_match_their_schemas(
    load: Load, name: str, mode: str, seed: int
) -> None:
    spoken = load(name)
    tools = make_tool_set(tuple(tool for tool in TOOLS if tool.kind == "function"), mode)

    text, cut = write(spoken, tools, "", random.Random(seed))

    found = read(spoken, text, cut=cut)
    for tool, body, complete in calls(found):
        assert complete or cut
        if complete and tool != "read_all":
            jsonschema.validate(body, SCHEMA)
    assert mode == "auto" or cut or calls(found)


WORDS = tuple(f"word{n}" for n in range(9))
PIECES = [
    "<tool_call>\n<function=read>\n", "<parameter=path>\n", "\n</parameter>\n", "</function>\n</tool_call>",
    '{"name": "read", "parameters": ', "<|python_tag|>", '{"path": "a"}', "}", "[TOOL_CALLS]", "read[ARGS]",
    "[CALL_ID]abcdefghi", '[{"name": "read", "arguments": ', "]", "<|tool_call|>", "<|/tool_call|>", "<|tool_call>",
    "call:read{", 'path:<|"|>', '<|"|>', "}<tool_call|>", "<|channel|>", "final", "<|message|>", "<|end|>",
    "<tool_call>", "<|start|>assistant", "commentary to=functions.read", " ", "\n", '"', *WORDS,
]  # fmt: skip


@pytest.mark.parametrize("name", FAMILIES)
@settings(max_examples=15)
@given(st.lists(st.sampled_from(PIECES), max_size=12), st.data(), st.booleans(), st.booleans())
def test_of_a_malformed_answer_nothing_is_lost_and_it_does_not_matter_where_it_is_cut(
    load: Load, name: str, pieces: list[str], data: st.DataObject, cut: bool, constrained: bool
) -> None:
    spoken = load(name)
    text = "".join(pieces)

    found = read(spoken, text, cut=cut, constrained=constrained)

    again = read(spoken, *cut_up(data, text), cut=cut, constrained=constrained)
    assert (said(again), calls(again)) == (said(found), calls(found))
    kept = said(found) + json.dumps([(tool, body) for tool, body, _ in calls(found)])
    if not cut and name != "harmony":  # whose headers are no text
        assert all(kept.count(word) >= text.count(word) for word in WORDS)


@pytest.mark.parametrize("name", FAMILIES)
def test_text_stays_text_and_nothing_is_held_back_for_long(load: Load, name: str) -> None:
    spoken = load(name)
    parser = spoken.form.parser(OFFERED, text_is_constrained=False)
    assert parser is not None
    head = "<|channel|>final<|message|>" if name == "harmony" else ""

    assert parser.push(head + "Hello, ") == [TextPiece("Hello, ")]
    assert said(parser.push("5 < 6 [TOOL] {}.")) == "5 < 6 [TOOL] {}."
    assert parser.finish() == []
    tokens = spoken.form.tokenizer.encode_prompt(head + "5 < 6 [TOOL] {}.")
    assert accepted(spoken, tokens)
    assert not accepted(spoken, tokens, ToolSet(TOOLS, mode="required"))


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("mistral, ids", "I.[TOOL_CALLS]read[CALL_ID]%s[ARGS]{}[TOOL_CALLS]read[CALL_ID]%s[ARGS]{}"),
        (
            "mistral, list",
            'I.[TOOL_CALLS][{"name": "read", "arguments": {}, "id": "%s"}, '
            '{"name": "read", "arguments": {}, "id": "%s"}]',
        ),
    ],
)
def test_a_calls_id_is_the_models_unless_another_has_it(load: Load, name: str, answer: str) -> None:
    for ids, kept in ((("abcdefgh1", "abcdefgh2"), ["", "abcdefgh2"]), (("abcdefgh3", "abcdefgh3"), ["abcdefgh3", ""])):
        for pieces in ([answer % ids], list(answer % ids)):
            parser = load(name).form.parser(OFFERED, text_is_constrained=False)
            assert parser is not None
            parser.known_ids.add("abcdefgh1")
            found = [part for piece in pieces for part in parser.push(piece)] + parser.finish()
            assert said(found) == "I."
            assert calls(found) == 2 * [("read", {}, True)]
            for kind in (CallBegun, CallEnded):
                assert [part.call_id for part in found if isinstance(part, kind)] == kept


def test_harmony_tells_what_was_thought_from_what_is_said(load: Load) -> None:
    answer = (
        "<|channel|>analysis<|message|>Hm. <|end|><|start|>assistant<|channel|>commentary<|message|>I look.<|end|>"
        '<|start|>assistant<|channel|>commentary to=functions.read <|constrain|>json<|message|>{"path": "a"}<|call|>'
    )
    spoken = load("harmony")

    assert accepted(spoken, spoken.form.tokenizer.encode_prompt(answer.removesuffix("<|call|>")))
    for pieces in ([answer], list(answer)):
        found = read(spoken, *pieces)
        assert "".join(part.text for part in found if isinstance(part, ReasoningPiece)) == "Hm. "
        assert "".join(part.text for part in found if isinstance(part, TextPiece)) == "I look."
        assert calls(found) == [("read", {"path": "a"}, True)]
    assert spoken.form.reads_reasoning
