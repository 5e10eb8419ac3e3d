"""Calls whose arguments stand between tags, each with its name: what Qwen's and GLM's forms have in common.

Strings stand as they are, everything else as JSON: the tool's schema says which a value is. The templates of some
write `True`, `False` and `None` as Python does; then these are the words of the grammar, too.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

from codex_windows_ai.chat.answer_reader import CallReader, Steps
from codex_windows_ai.chat.call_grammar import Rules, add_start, several
from codex_windows_ai.chat.call_style import written_call
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
_MOST_FREE = 32
"""Parameters that a schema does not name, in one call."""

Words = dict[Any, str]
"""How true, false and null are written."""
JSON_WORDS: Words = {True: "true", False: "false", None: "null"}
_PYTHON_WORDS: Words = {True: "True", False: "False", None: "None"}


@dataclass(frozen=True, slots=True)
class TagForm:
    """How a call is written behind `MARKER`: the tool's name between `function` and `named`, then each argument, its
    name between `parameter` and `value`, its value up to `value_end`, then `end`. Between calls stands `separator`.
    """

    function: str
    named: str
    parameter: str
    value: str
    value_end: str
    end: str
    separator: str

    def spell(self, name: str, arguments: dict[str, Any], words: Words = JSON_WORDS) -> Written:
        """One call."""
        pieces: list[str] = [Obeyed(f"{MARKER}{self.function}{name}{self.named}")]
        for key, value in arguments.items():
            pieces += [Obeyed(self.parameter), key, Obeyed(self.value), _text(value, words), Obeyed(self.value_end)]
        return Written((*pieces, Obeyed(self.end)))


class TaggedFormat(SpellingFormat):
    """A format whose calls have a `TagForm`."""

    markers = (MARKER,)
    form: TagForm

    def __init__(self, template: ChatTemplate, tokenizer: Tokenizer) -> None:
        super().__init__(template, tokenizer)
        true = f"{self.form.value}True{self.form.value_end}"
        python = self.native and true in written_call(template.written, {"needle": True})
        self.words = _PYTHON_WORDS if python else JSON_WORDS

    def spell(self, calls: Sequence[Call]) -> Written:
        """As all formats."""
        spelled = [self.form.spell(call.name, _arguments(call.body), self.words) for call in calls]
        return chained(spelled, self.form.separator)

    def call_grammar(self, rules: Rules, tool_set: ToolSet, text: Grammar | None) -> None:
        """As all formats."""
        tools, again = tool_set.callable, rules.literal(f"{self.form.separator}{MARKER}")
        add_start(rules, tool_set, text, marker=MARKER, calls=several("call", again, tool_set))
        rules.rule("call", " | ".join(f"call_{n}" for n in range(len(tools))))
        for n, tool in enumerate(tools):
            _CallRules(rules, tool, f"call_{n}", self.form, self.words).add()

    def parser(self, tools: ToolSet, *, text_is_constrained: bool) -> AnswerParser | None:
        """What finds the calls; None where none can come."""
        if not tools.callable:
            return None
        return TaggedReader(tools, self.form, text_is_constrained=text_is_constrained)


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

    def __init__(self, rules: Rules, tool: Tool, name: str, form: TagForm, words: Words) -> None:
        self._rules = rules
        self._tool = tool
        self._name = name
        self._form = form
        self._words = words
        function = tool if tool.kind == "function" else custom_as_function(tool)
        self._root = closest_schema(function, rules.search).schema

    def add(self) -> None:
        """Adds them: the parameters in the order of the schema, then those that it does not name."""
        root, rules, form = self._root, self._rules, self._form
        begin = rules.literal(f"{form.function}{self._tool.qualified_name}{form.named}")
        named = as_object(root.get("properties"))
        required: Any = root.get("required")
        needed = frozenset(cast("list[str]", required)) if isinstance(required, list) else frozenset[str]()
        parameters: list[str] = []
        for n, (key, schema) in enumerate(named.items()):
            value = self._value(schema, f"{self._name}_{n}")
            parameter = f"{rules.literal(f'{form.parameter}{key}{form.value}')} {value}"
            parameters.append(parameter if key in needed else f"({parameter})?")
        if root.get("additionalProperties") is not False:
            free = rules.string_until({}, form.value_end, f"{self._name}_free")
            key = rules.rule(f"{self._name.upper()}_KEY", r"/[^<>\n]+/")
            named_by = f"{rules.literal(form.parameter)} {key} {rules.literal(form.value)}"
            parameters.append(f"({named_by} {free}){{0,{_MOST_FREE}}}")
        rules.rule(self._name, " ".join([begin, *parameters, rules.literal(form.end)]))

    def _value(self, schema: Any, name: str) -> str:
        """A value and the end of its parameter, in Lark."""
        rules, one, until = self._rules, resolved(schema, self._root), self._form.value_end
        end = rules.literal(until)
        kinds = kinds_of(schema, self._root)
        if self._tool.kind == "custom":
            return rules.text_until(self._tool.grammar, until, name)
        values: Any = [one["const"]] if "const" in one else one.get("enum")
        if isinstance(values, list):
            words = (rules.literal(_text(value, self._words)) for value in cast("list[Any]", values))
            return f"({' | '.join(dict.fromkeys(words))}) {end}"
        if "string" in kinds:
            return rules.string_until(one if kinds == TEXT_ALONE else {}, until, name)
        words = {"boolean": (True, False), "null": (None,)}
        found = [rules.literal(self._words[word]) for kind in sorted(kinds & words.keys()) for word in words[kind]]
        if kinds - words.keys():
            definitions = {key: self._root[key] for key in ("$defs", "definitions") if key in self._root}
            followed = FollowedSchema({**definitions, **cast("Schema", schema)}, lenient=True)
            found.append(rules.refer(followed.part))
        return f"({' | '.join(found)}) {end}"


class TaggedReader(CallReader):
    """Reads calls; strings are passed on as they come."""

    def __init__(self, tool_set: ToolSet, form: TagForm, *, text_is_constrained: bool = False) -> None:
        tools = tool_set.callable
        super().__init__(tools, (MARKER,), text_is_constrained=text_is_constrained)
        self._form = form
        self._openings = {f"{form.function}{tool.qualified_name}{form.named}": tool.named for tool in tools}
        self._schemas = {tool.named: tool.parameters for tool in tools}

    def _calls(self, marker: str) -> Steps[bool]:
        tool = yield from self._opening(self._openings)
        if tool is None:
            return False
        self._begin_call(tool, wrapped=tool.kind == "custom")
        before, form = "{", self._form
        while (found := (yield from self._starts((form.parameter, form.end)))) == form.parameter:
            self._take(form.parameter)
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
        if (yield from self._upto((self._form.value,), key.append)) is None:
            self._pass("".join(key))
            return False
        name = "".join(key)
        self._pass(f"{before}{json.dumps(name, ensure_ascii=False)}: ")
        kinds = self._kinds(tool, name)
        if kinds == TEXT_ALONE:
            self._pass('"')
            ended = yield from self._upto((self._form.value_end,), self._pass_string)
            self._pass('"' if ended else "")
            return ended is not None
        value: list[str] = []
        ended = yield from self._upto((self._form.value_end,), value.append)
        self._pass(as_json("".join(value), kinds) if ended else "".join(value))
        return ended is not None

    def _kinds(self, tool: ToolName, name: str) -> frozenset[str]:
        if tool.kind == "custom":
            return TEXT_ALONE
        root = self._schemas[tool]
        named = as_object(resolved(root, root).get("properties"))
        return kinds_of(named.get(name, {}), root)
