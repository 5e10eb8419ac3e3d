"""How Qwen3-Coder, Qwen3.5 and later, and Nemotron 3 talk: a call is a function and its parameters, between tags.

    <tool_call>
    <function=read_file>
    <parameter=path>
    a.txt
    </parameter>
    </function>
    </tool_call>

Strings stand as they are, everything else as JSON: the tool's schema says which a value is. The templates of some
write `True`, `False` and `None` as Python does; then these are the words of the grammar, too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any, cast

from codex_windows_ai.chat.answer_reader import CallReader, Steps
from codex_windows_ai.chat.call_grammar import Rules, add_start, several
from codex_windows_ai.chat.call_style import PROBE, PROBE_ARGUMENTS, written_call
from codex_windows_ai.chat.format import AnswerParser
from codex_windows_ai.chat.schema import FollowedSchema, closest_schema
from codex_windows_ai.chat.spelling_format import SpellingFormat
from codex_windows_ai.chat.template import ChatTemplate
from codex_windows_ai.chat.tool_format import custom_as_function
from codex_windows_ai.chat.value_kinds import TEXT_ALONE, Schema, as_json, kinds_of, resolved
from codex_windows_ai.chat.written import Obeyed, Written, chained
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.protocol.grammar import Grammar
from codex_windows_ai.protocol.json_values import as_object, object_in
from codex_windows_ai.protocol.message import Call
from codex_windows_ai.protocol.tools import Tool, ToolName, ToolSet

MARKER = "<tool_call>"
_FUNCTION, _PARAMETER, _NAMED = "\n<function=", "<parameter=", ">\n"
_PARAMETER_END, _END = "\n</parameter>\n", "</function>\n</tool_call>"
_MOST_FREE = 32
"""Parameters that a schema does not name, in one call."""

Words = dict[Any, str]
"""How true, false and null are written."""
JSON_WORDS: Words = {True: "true", False: "false", None: "null"}
_PYTHON_WORDS: Words = {True: "True", False: "False", None: "None"}


class QwenXml(SpellingFormat):
    """The format."""

    name = "qwen-xml"
    markers = (MARKER,)

    def __init__(self, template: ChatTemplate, tokenizer: Tokenizer) -> None:
        super().__init__(template, tokenizer)
        python = self.native and f"{_NAMED}True{_PARAMETER_END}" in written_call(template.written, {"needle": True})
        self.words = _PYTHON_WORDS if python else JSON_WORDS

    @classmethod
    def written_in(cls, written: str) -> bool:
        """As all formats."""
        return _spelled(PROBE, PROBE_ARGUMENTS, JSON_WORDS).text in written

    @classmethod
    def opening(cls, name: str) -> str:
        """As all formats."""
        return f"{MARKER}{_FUNCTION}"

    def spell(self, calls: Sequence[Call]) -> Written:
        """As all formats."""
        return chained([_spelled(call.name, _arguments(call.body), self.words) for call in calls], "\n")

    def call_grammar(self, rules: Rules, tool_set: ToolSet, text: Grammar | None) -> None:
        """As all formats."""
        tools = tool_set.callable
        add_start(rules, tool_set, text, marker=MARKER, calls=several("call", rules.literal(f"\n{MARKER}"), tool_set))
        rules.rule("call", " | ".join(f"call_{n}" for n in range(len(tools))))
        for n, tool in enumerate(tools):
            _CallRules(rules, tool, f"call_{n}", self.words).add()

    def parser(self, tools: ToolSet, *, text_is_constrained: bool) -> AnswerParser | None:
        """What finds the calls; None where none can come."""
        return XmlReader(tools, text_is_constrained=text_is_constrained) if tools.callable else None


def _spelled(name: str, arguments: dict[str, Any], words: Words) -> Written:
    pieces: list[str] = [Obeyed(f"{MARKER}{_FUNCTION}{name}{_NAMED}")]
    for key, value in arguments.items():
        pieces += [Obeyed(f"{_PARAMETER}"), f"{key}{_NAMED}{_text(value, words)}", Obeyed(_PARAMETER_END)]
    return Written((*pieces, Obeyed(_END)))


def _text(value: Any, words: Words) -> str:
    if isinstance(value, str):
        return value
    if value is None or isinstance(value, bool):
        return words[value]
    return json.dumps(value, ensure_ascii=False)


def _arguments(body: str) -> dict[str, Any]:
    arguments = object_in(body or "{}")
    return {"arguments": body} if arguments is None else arguments


class _CallRules:
    """The rules of one tool's call."""

    def __init__(self, rules: Rules, tool: Tool, name: str, words: Words) -> None:
        self._rules = rules
        self._tool = tool
        self._name = name
        self._words = words
        function = tool if tool.kind == "function" else custom_as_function(tool)
        self._root = closest_schema(function, rules.search).schema

    def add(self) -> None:
        """Adds them: the parameters in the order of the schema, then those that it does not name."""
        root, rules = self._root, self._rules
        begin = rules.literal(f"{_FUNCTION}{self._tool.qualified_name}{_NAMED}")
        named = as_object(root.get("properties"))
        required: Any = root.get("required")
        needed = frozenset(cast("list[str]", required)) if isinstance(required, list) else frozenset[str]()
        parameters: list[str] = []
        for n, (key, schema) in enumerate(named.items()):
            value = self._value(schema, f"{self._name}_{n}")
            parameter = f"{rules.literal(f'{_PARAMETER}{key}{_NAMED}')} {value}"
            parameters.append(parameter if key in needed else f"({parameter})?")
        if root.get("additionalProperties") is not False:
            free = rules.string_until({}, _PARAMETER_END, f"{self._name}_free")
            key = rules.rule(f"{self._name.upper()}_KEY", r"/[^>\n]+/")
            parameters.append(f"({rules.literal(_PARAMETER)} {key} {rules.literal(_NAMED)} {free}){{0,{_MOST_FREE}}}")
        rules.rule(self._name, " ".join([begin, *parameters, rules.literal(_END)]))

    def _value(self, schema: Any, name: str) -> str:
        """A value and the end of its parameter, in Lark."""
        rules, one = self._rules, resolved(schema, self._root)
        end = rules.literal(_PARAMETER_END)
        kinds = kinds_of(schema, self._root)
        if self._tool.kind == "custom":
            return rules.text_until(self._tool.grammar, _PARAMETER_END, name)
        values: Any = [one["const"]] if "const" in one else one.get("enum")
        if isinstance(values, list):
            words = (rules.literal(_text(value, self._words)) for value in cast("list[Any]", values))
            return f"({' | '.join(dict.fromkeys(words))}) {end}"
        if "string" in kinds:
            return rules.string_until(one if kinds == TEXT_ALONE else {}, _PARAMETER_END, name)
        words = {"boolean": (True, False), "null": (None,)}
        found = [rules.literal(self._words[word]) for kind in sorted(kinds & words.keys()) for word in words[kind]]
        if kinds - words.keys():
            definitions = {key: self._root[key] for key in ("$defs", "definitions") if key in self._root}
            followed = FollowedSchema({**definitions, **cast("Schema", schema)}, lenient=True)
            found.append(rules.refer(followed.part))
        return f"({' | '.join(found)}) {end}"


class XmlReader(CallReader):
    """Reads calls; strings are passed on as they come."""

    def __init__(self, tool_set: ToolSet, *, text_is_constrained: bool = False) -> None:
        tools = tool_set.callable
        super().__init__(tools, (MARKER,), text_is_constrained=text_is_constrained)
        self._openings = {f"{_FUNCTION}{tool.qualified_name}{_NAMED}": tool.named for tool in tools}
        self._schemas = {tool.named: tool.parameters for tool in tools}

    def _calls(self, marker: str) -> Steps[bool]:
        tool = yield from self._opening(self._openings)
        if tool is None:
            return False
        self._begin_call(tool, wrapped=tool.kind == "custom")
        before = "{"
        while (found := (yield from self._starts((_PARAMETER, _END)))) == _PARAMETER:
            self._take(found)
            if not (yield from self._parameter(before, tool)):
                yield from self._break_call()
                return True
            before = ", "
        if found is None:
            yield from self._break_call()
            return True
        self._take(found)
        self._pass("{}" if before == "{" else "}")
        self._end_call(complete=True)
        return True

    def _parameter(self, before: str, tool: ToolName) -> Steps[bool]:
        """Reads one from its key on; False: the answer ended in it."""
        key: list[str] = []
        if (yield from self._upto((_NAMED,), key.append)) is None:
            self._pass("".join(key))
            return False
        name = "".join(key)
        self._pass(f"{before}{json.dumps(name, ensure_ascii=False)}: ")
        kinds = self._kinds(tool, name)
        if kinds == TEXT_ALONE:
            self._pass('"')
            ended = yield from self._upto((_PARAMETER_END,), self._pass_string)
            self._pass('"' if ended else "")
            return ended is not None
        value: list[str] = []
        ended = yield from self._upto((_PARAMETER_END,), value.append)
        self._pass(as_json("".join(value), kinds) if ended else "".join(value))
        return ended is not None

    def _kinds(self, tool: ToolName, name: str) -> frozenset[str]:
        if tool.kind == "custom":
            return TEXT_ALONE
        root = self._schemas[tool]
        named = as_object(resolved(root, root).get("properties"))
        return kinds_of(named.get(name, {}), root)
