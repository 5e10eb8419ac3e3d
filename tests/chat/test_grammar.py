"""Every call is well-formed: what the composed grammar lets an answer be."""

from __future__ import annotations

from functools import cache
from typing import Any

import pytest
from llguidance import LLTokenizer

from codex_windows_ai.api.openai.tools import make_tool_set, read_tools
from codex_windows_ai.chat.formats.hermes import MOST_CALLS, answer_grammar
from codex_windows_ai.chat.grammar import check_answer, json_grammar
from codex_windows_ai.engine.sampling.grammar import start_matcher
from codex_windows_ai.errors import InvalidGrammarError
from codex_windows_ai.protocol.grammar import Grammar
from codex_windows_ai.protocol.tools import ToolSet

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"path": {"type": "string"}, "lines": {"$ref": "#/$defs/lines"}},
    "required": ["path"],
    "$defs": {"lines": {"type": "integer"}},
}
PATCH = r"""
start: begin hunk+ end
begin: "*** Begin Patch" LF
end: "*** End Patch" LF?
hunk: "*** Add File: " /(.+)/ LF added+
added: "+" /(.*)/ LF
%import common.LF
"""
TOOLS = read_tools(
    [
        {"type": "function", "name": "read", "parameters": SCHEMA},
        {"type": "function", "name": "read_all"},
        {"type": "namespace", "name": "mcp__pc", "tools": [{"type": "function", "name": "read", "parameters": {}}]},
        {"type": "custom", "name": "note"},
        {
            "type": "custom",
            "name": "code",
            "format": {"type": "grammar", "syntax": "regex", "definition": "(?s:[a/\n]*)"},
        },
        {"type": "custom", "name": "patch", "format": {"type": "grammar", "syntax": "lark", "definition": PATCH}},
    ]
)
AUTO = ToolSet(TOOLS)
REQUIRED = ToolSet(TOOLS, mode="required")


@cache
def byte_tokenizer() -> LLTokenizer:
    return LLTokenizer("byte")


def accepts(grammar: Grammar | None, text: str) -> bool:
    """Whether the whole text is an answer that the grammar allows."""
    assert grammar is not None
    matcher = start_matcher(byte_tokenizer(), grammar)
    ids = byte_tokenizer().tokenize_str(text)
    return matcher.validate_tokens(ids) == len(ids) and matcher.consume_tokens(ids) and matcher.is_accepting()


def function_call(name: str, arguments: str) -> str:
    return f'<tool_call>\n{{"name": "{name}", "arguments": {arguments}}}\n</tool_call>'


def custom_call(name: str, text: str) -> str:
    return f'<tool_call>\n{{"name": "{name}"}}\n{text}\n</tool_call>'


READ = function_call("read", '{"path": "a", "lines": 3}')
PATCH_TEXT = "*** Begin Patch\n*** Add File: a.txt\n+hello </tool_call>\n*** End Patch"
CALLS = [
    READ,
    function_call("read", '{"path": "</tool_call>"}'),
    function_call("read_all", "{}"),
    function_call("mcp__pc__read", "{}"),
    function_call("mcp__pc__read", '{"anything": [1, 2]}'),
    custom_call("note", ""),
    custom_call("note", "any\n<b>text</b>, {also} this"),
    custom_call("code", "a/a\na"),
    custom_call("patch", PATCH_TEXT),
    custom_call("patch", PATCH_TEXT + "\n"),
]
NO_CALLS = [
    function_call("read", '{"lines": 3}'),
    function_call("read", '{"path": "a", "lines": "3"}'),
    function_call("read", '{"path": "a", "mode": 1}'),
    function_call("read", '{"path":    "a"}'),
    function_call("write", "{}"),
    function_call("note", "{}"),
    custom_call("read", "text"),
    custom_call("code", "b"),
    custom_call("patch", "hello"),
    READ + " and more",
    READ.removesuffix("</tool_call>"),
    "<tool_call>",
]


@pytest.mark.parametrize("text", ["", "Hello", "a < b, <tool> {}", "ends <tool_cal", "</tool_call>", *CALLS])
def test_with_auto_an_answer_is_text_or_calls(text: str) -> None:
    assert accepts(answer_grammar(AUTO), text)


@pytest.mark.parametrize("text", ["<tool_call> is a marker", *NO_CALLS])
def test_with_auto_what_begins_as_a_call_must_be_one(text: str) -> None:
    assert not accepts(answer_grammar(AUTO), text)
    assert not accepts(answer_grammar(AUTO), "Let me see.\n" + text)


@pytest.mark.parametrize("text", CALLS)
def test_text_may_stand_before_a_call(text: str) -> None:
    assert accepts(answer_grammar(AUTO), "Let me see.\n" + text)


@pytest.mark.parametrize("text", CALLS)
def test_required_is_a_call_and_nothing_else(text: str) -> None:
    assert accepts(answer_grammar(REQUIRED), text)
    assert not accepts(answer_grammar(REQUIRED), "Text " + text)


@pytest.mark.parametrize("text", ["", "Hello", *NO_CALLS])
def test_required_takes_no_text_and_no_malformed_call(text: str) -> None:
    assert not accepts(answer_grammar(REQUIRED), text)


def test_several_calls_only_where_the_caller_takes_them_in_parallel() -> None:
    two = READ + "\n" + custom_call("patch", PATCH_TEXT) + "\n" + READ

    for mode in ("auto", "required"):
        assert accepts(answer_grammar(make_tool_set(TOOLS, mode)), two)
        assert not accepts(answer_grammar(make_tool_set(TOOLS, mode, parallel=False)), two)
        assert accepts(answer_grammar(make_tool_set(TOOLS, mode, parallel=False)), READ)


def test_the_calls_of_one_answer_are_bounded() -> None:
    assert accepts(answer_grammar(AUTO), "\n".join([READ] * MOST_CALLS))
    assert not accepts(answer_grammar(AUTO), "\n".join([READ] * (MOST_CALLS + 1)))


def test_none_is_text_without_a_call() -> None:
    grammar = answer_grammar(ToolSet(TOOLS, mode="none"))

    assert accepts(grammar, "Hello <tool")
    assert not accepts(grammar, READ)


def test_without_tools_anything_goes() -> None:
    assert answer_grammar(ToolSet()) is None


@pytest.mark.parametrize("named", [{"type": "function", "name": "read"}, {"type": "custom", "name": "note"}])
def test_a_named_tool_is_the_only_one(named: dict[str, str]) -> None:
    grammar = answer_grammar(make_tool_set(TOOLS, named))
    allowed = [text for text in CALLS if accepts(grammar, text)]

    assert allowed == [text for text in CALLS if f'"name": "{named["name"]}"' in text]


def test_text_has_its_own_schema_beside_calls() -> None:
    grammar = answer_grammar(AUTO, json_grammar({"type": "object", "properties": {"a": {"type": "string"}}}))

    assert accepts(grammar, '{"a": "<tool_call>"}')
    assert accepts(grammar, READ)
    assert not accepts(grammar, "text")
    assert not accepts(grammar, '{"a": 1}')


def strict(**schema: Any) -> dict[str, Any]:
    return {"type": "function", "name": "bad", "strict": True, "parameters": schema}


@pytest.mark.parametrize(
    "tool",
    [
        strict(type="object", properties={"a": {"type": "oops"}}),
        strict(properties={"a": False}, required=["a"]),
        strict(**{"not": {}}),
        strict(**{"not": {}, "x-guidance": {"lenient": True}}),
        {"type": "custom", "name": "bad", "format": {"type": "grammar", "syntax": "lark", "definition": "start: gone"}},
        {"type": "custom", "name": "bad", "format": {"type": "grammar", "syntax": "regex", "definition": "("}},
    ],
)
@pytest.mark.parametrize("mode", ["auto", "none"])
def test_a_tool_that_cannot_be_followed_is_refused_by_name(tool: dict[str, Any], mode: str) -> None:
    with pytest.raises(InvalidGrammarError, match="tool `bad`") as refused:
        check_answer(make_tool_set(read_tools([tool]), mode), None)
    assert refused.value.http_status == 400
    assert refused.value.param == "tools"


def test_a_schema_for_the_text_that_cannot_be_followed_is_refused() -> None:
    with pytest.raises(InvalidGrammarError):
        check_answer(ToolSet(), json_grammar({"type": "oops"}))
