"""How Gemma 4 talks: `<|tool_call>call:read_file{lines:3,path:<|"|>a.txt<|"|>}<tool_call|>`.

Keys stand bare and in order, strings between marks of their own, everything else as JSON (null as the template writes
it). Only the template can write calls, as they, and what they returned, stand within the model's turn.
"""

from __future__ import annotations

import json
from typing import Any, cast

from codex_windows_ai.chat.answer_reader import CallReader, Steps
from codex_windows_ai.chat.call_grammar import Rules, add_start, several
from codex_windows_ai.chat.call_style import PROBE, written_call
from codex_windows_ai.chat.format import AnswerParser
from codex_windows_ai.chat.schema import FollowedSchema, closest_schema
from codex_windows_ai.chat.template import ChatTemplate
from codex_windows_ai.chat.tool_format import ToolFormat, custom_as_function
from codex_windows_ai.chat.value_kinds import Schema, kinds_of, resolved
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.protocol.grammar import Grammar
from codex_windows_ai.protocol.json_values import as_object
from codex_windows_ai.protocol.tools import Tool, ToolSet

MARKER, END, QUOTE = "<|tool_call>", "<tool_call|>", '<|"|>'
_CALL = "call:"
_WORDS = {"true": "true", "false": "false", "null": "null", "None": "null", "True": "true", "False": "false"}
_MOST_ITEMS = 1024


class Gemma4(ToolFormat):
    """The format."""

    name = "gemma4"
    markers = (MARKER,)
    control = (END, QUOTE)

    def __init__(self, template: ChatTemplate, tokenizer: Tokenizer) -> None:
        super().__init__(template, tokenizer)
        self.null = "None" if "needle:None" in written_call(template.written, {"needle": None}) else "null"

    @classmethod
    def written_in(cls, written: str) -> bool:
        """As all formats."""
        return f"{MARKER}{_CALL}{PROBE}{{needle:{QUOTE}hay{QUOTE}}}{END}" in written

    @classmethod
    def opening(cls, name: str) -> str:
        """As all formats."""
        return f"{MARKER}{_CALL}"

    def call_grammar(self, rules: Rules, tool_set: ToolSet, text: Grammar | None) -> None:
        """As all formats."""
        tools = tool_set.callable
        add_start(rules, tool_set, text, marker=MARKER, calls=several("call", rules.literal(MARKER), tool_set))
        rules.rule("call", " | ".join(f"call_{n}" for n in range(len(tools))))
        for n, tool in enumerate(tools):
            values = _Values(rules, tool, f"v{n}", self.null)
            begin = rules.literal(f"{_CALL}{tool.qualified_name}")
            rules.rule(f"call_{n}", f"{begin} {values.arguments()} {rules.literal(END)}")

    def parser(self, tools: ToolSet, *, text_is_constrained: bool) -> AnswerParser | None:
        """What finds the calls; None where none can come."""
        return Gemma4Reader(tools, text_is_constrained=text_is_constrained) if tools.callable else None


class _Values:
    """The rules of one tool's arguments, made of its schema."""

    def __init__(self, rules: Rules, tool: Tool, prefix: str, null: str) -> None:
        self._rules = rules
        self._prefix = prefix
        self._null = null
        self._tool = tool
        self._root = closest_schema(tool if tool.kind == "function" else custom_as_function(tool), rules.search).schema
        self._names: dict[str, str] = {}
        """Rules by what they stand for: a schema that refers to itself has one rule."""

    def arguments(self) -> str:
        """The arguments, in Lark."""
        if self._tool.kind == "custom":
            text = self._rules.text_until(self._tool.grammar, QUOTE, f"{self._prefix}_input")
            return f"{self._rules.literal(f'{{input:{QUOTE}')} {text} {self._rules.literal('}')}"
        return self._object(self._root)

    def _value(self, schema: Any) -> str:
        """The rule of a value."""
        one = resolved(schema, self._root)
        key = json.dumps(one, sort_keys=True)
        if key not in self._names:
            self._names[key] = name = f"{self._prefix}_{len(self._names)}"
            self._rules.rule(name, self._alternatives(one))
        return self._names[key]

    def _alternatives(self, schema: Schema) -> str:
        values: Any = [schema["const"]] if "const" in schema else schema.get("enum")
        if isinstance(values, list):
            return " | ".join(self._rules.literal(self._written(value)) for value in cast("list[Any]", values))
        for keyword in ("anyOf", "oneOf"):
            if isinstance(members := schema.get(keyword), list) and members:
                return " | ".join(self._value(member) for member in cast("list[Any]", members))
        kinds = kinds_of(schema, self._root)
        found: list[str] = []
        if "string" in kinds:
            text = self._rules.string_until(schema, QUOTE, f"{self._prefix}_text{len(self._names)}")
            found.append(f"{self._rules.literal(QUOTE)} {text}")
        if "boolean" in kinds:
            found += ['"true"', '"false"']
        if "null" in kinds:
            found.append(self._rules.literal(self._null))
        if kinds & {"integer", "number"}:
            limits = {name: value for name, value in schema.items() if name in _LIMITS}
            number = {"type": "number" if "number" in kinds else "integer", **limits}
            found.append(self._rules.refer(FollowedSchema(number, lenient=True).part))
        if "array" in kinds:
            found.append(self._array(schema))
        if "object" in kinds:
            found.append(self._object(schema))
        return " | ".join(found)

    def _array(self, schema: Schema) -> str:
        item = self._value(schema.get("items") or {})
        least, most = schema.get("minItems"), schema.get("maxItems")
        fewest = least if isinstance(least, int) else 0
        largest = min(most if isinstance(most, int) else _MOST_ITEMS, _MOST_ITEMS)
        if largest < 1:
            return '"[]"'
        listed = f'"[" {item} ("," {item}){{{max(fewest - 1, 0)},{max(largest, fewest, 1) - 1}}} "]"'
        return listed if fewest else f'"[]" | {listed}'

    def _object(self, schema: Schema) -> str:
        """An object's fields in the order of their names, each that is required among them, with commas between."""
        named = as_object(schema.get("properties"))
        if not named and schema.get("additionalProperties") is not False:
            return self._free()
        listed: Any = schema.get("required")
        required = frozenset(cast("list[Any]", listed)) if isinstance(listed, list) else frozenset[Any]()
        rule = f"{self._prefix}_o{len(self._names)}"
        self._names[rule] = rule
        rules, first, rest = self._rules, '""', ""
        for n, (key, value) in reversed(list(enumerate(sorted(named.items(), key=lambda one: one[0].lower())))):
            field = rules.rule(f"{rule}_{n}", f"{rules.literal(f'{key}:')} {self._value(value)}")
            begun = rules.rule(f"{rule}_f{n}", f"{field} {rest}" + ("" if key in required else f" | {first}"))
            after = f'"," {field}'
            rest = f"{after} {rest}" if key in required else f"({after})? {rest}"
            first = begun
        return f'"{{" {first} "}}"'

    def _free(self) -> str:
        """An object of any fields."""
        name = f"{self._prefix}_any"
        if name not in self._names:
            self._names[name] = name
            key = self._rules.rule(f"{self._prefix.upper()}_KEY", r"/[^<>{}\[\],:]+/")
            field = f'{key} ":" {self._value({})}'
            self._rules.rule(name, f'"{{}}" | "{{" {field} ("," {field}){{0,{_MOST_ITEMS - 1}}} "}}"')
        return name

    def _written(self, value: Any) -> str:
        match value:
            case None:
                return self._null
            case bool():
                return "true" if value else "false"
            case str():
                return f"{QUOTE}{value}{QUOTE}"
            case list():
                return f"[{','.join(self._written(item) for item in cast('list[Any]', value))}]"
            case dict():
                fields = sorted(cast("Schema", value).items(), key=lambda one: one[0].lower())
                return "{" + ",".join(f"{key}:{self._written(item)}" for key, item in fields) + "}"
            case _:
                return json.dumps(value)


_LIMITS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")


class Gemma4Reader(CallReader):
    """Reads calls, and writes their arguments as JSON as they come."""

    def __init__(self, tool_set: ToolSet, *, text_is_constrained: bool = False) -> None:
        tools = tool_set.callable
        super().__init__(tools, (MARKER,), text_is_constrained=text_is_constrained)
        self._openings = {f"{_CALL}{tool.qualified_name}{{": tool.named for tool in tools}

    def _calls(self, marker: str) -> Steps[bool]:
        tool = yield from self._opening(self._openings)
        if tool is None:
            return False
        self._begin_call(tool, wrapped=tool.kind == "custom")
        self._held = "{" + self._held
        if (yield from self._container("{")) and (yield from self._starts((END,))):
            self._take(END)
            self._end_call(complete=True)
        else:
            yield from self._break_call()
        return True

    def _container(self, begin: str) -> Steps[bool]:
        """Reads an object or a list, which is held from its beginning on; False: it is none, or has no end."""
        end = {"{": "}", "[": "]"}[begin]
        self._take(begin)
        self._pass(begin)
        first = True
        while True:
            found = yield from self._starts((end, ",")) if not first else self._starts((end,))
            if found == end:
                self._take(end)
                self._pass(end)
                return True
            if not first and found is None:
                return False
            if not first:
                self._take(",")
                self._pass(", ")
            first = False
            if begin == "{" and not (yield from self._key()):
                return False
            if not (yield from self._item()):
                return False

    def _key(self) -> Steps[bool]:
        if (yield from self._starts((QUOTE,))):
            self._take(QUOTE)
            key: list[str] = []
            if (yield from self._upto((QUOTE,), key.append)) is None:
                self._pass("".join(key))
                return False
            if (yield from self._starts((":",))) is None:
                self._pass("".join(key))
                return False
            self._take(":")
        else:
            key = [(yield from self._bare(":,{}[]"))]
            if not self._held.startswith(":"):
                self._pass(key[0])
                return False
            self._take(":")
        self._pass(json.dumps("".join(key), ensure_ascii=False) + ": ")
        return True

    def _item(self) -> Steps[bool]:
        found = yield from self._starts((QUOTE, "{", "["))
        if found == QUOTE:
            self._take(QUOTE)
            self._pass('"')
            if (yield from self._upto((QUOTE,), self._pass_string)) is None:
                return False
            self._pass('"')
            return True
        if found is not None:
            return (yield from self._container(found))
        word = yield from self._bare(",}]")
        if not self._held:
            self._pass(word)
            return False
        self._pass(_as_json(word.strip()))
        return True

    def _bare(self, ends: str) -> Steps[str]:
        """Takes what stands before one of these characters."""
        while True:
            place = next((n for n, character in enumerate(self._held) if character in ends), None)
            if place is not None or self._ended:
                word, self._held = self._held[:place], self._held[len(self._held) if place is None else place :]
                return word
            yield


def _as_json(word: str) -> str:
    """A number or a word of JSON as it is, and everything else as a string."""
    if word in _WORDS:
        return _WORDS[word]
    try:
        json.loads(word)
    except (ValueError, RecursionError):
        return json.dumps(word, ensure_ascii=False)
    return word
