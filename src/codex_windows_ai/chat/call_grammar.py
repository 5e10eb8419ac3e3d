"""What an answer must match so that every call in it is well formed: text, and calls from their marker on.

The grammar is written in llguidance's Lark (https://github.com/guidance-ai/llguidance/blob/main/docs/syntax.md). Text
runs until the marker; from there on only calls of offered tools can follow, and after the last one the answer ends.
A marker that is one token of the vocabulary is that token in the grammar, and is no text.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any

from codex_windows_ai.chat.schema import Search, closest_schema
from codex_windows_ai.engine.sampling.grammar_worker import JSON_STYLE
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.protocol.grammar import Grammar
from codex_windows_ai.protocol.tools import Tool, ToolSet

MOST_CALLS = 8
"""Calls in one answer; a small model that repeats itself would otherwise call until it is cut off."""

ANY_TEXT = r"/(?s:.*)/"


def literal(text: str, tokenizer: Tokenizer | None = None) -> str:
    """A text as Lark writes it, in which control tokens of the vocabulary are those tokens."""
    if not text:
        return '""'
    written: list[str] = []
    position = 0
    for match in tokenizer.special_pattern.finditer(text) if tokenizer else ():
        written += _quoted(text[position : match.start()])
        written.append(f"<[{tokenizer.special_ids[match.group()]}]>" if tokenizer else "")
        position = match.end()
    return " ".join(written + _quoted(text[position:]))


def _quoted(text: str) -> list[str]:
    return [json.dumps(text, ensure_ascii=False)] if text else []


def slashed(pattern: str) -> str:
    """A regex as Lark writes it: between slashes, those inside escaped."""
    return "/" + re.sub(r"\\.|/|\n", lambda part: _IN_SLASHES.get(part[0], part[0]), pattern) + "/"


_IN_SLASHES = {"/": "\\/", "\n": "\\n"}


def without(*markers: str) -> str:
    """Any text in which none of these stands, as a terminal."""
    return " & ".join([ANY_TEXT, *(f"~{slashed(f'(?s:.*){re.escape(one)}(?s:.*)')}" for one in markers)])


def without_text(pattern: str) -> str:
    """Any text that does not match a pattern, as a terminal."""
    return f"{ANY_TEXT} & ~{slashed(pattern)}"


def text_pattern(schema: dict[str, Any]) -> str:
    """The strings of a schema as a terminal: its length and its pattern; what else it says is for the tool to check."""
    terminals = list[str]()
    least, most = schema.get("minLength"), schema.get("maxLength")
    if isinstance(least, int) or isinstance(most, int):
        terminals.append(f"/(?s:.{{{least or 0},{most if isinstance(most, int) else ''}}})/")
    if isinstance(pattern := schema.get("pattern"), str):
        begin = "" if pattern.startswith("^") else "(?s:.*)"
        end = "" if pattern.endswith("$") and not pattern.endswith("\\$") else "(?s:.*)"
        terminals.append(slashed(f"{begin}(?:{pattern.removeprefix('^').removesuffix('$' if not end else '')}){end}"))
    return " & ".join(terminals) or ANY_TEXT


def part(grammar: Grammar) -> dict[str, Any]:
    """A grammar as a part of a composed one, in llguidance's JSON form."""
    if grammar.kind == "json_schema":
        style = {**JSON_STYLE, "lenient": grammar.lenient}
        return {"json_schema": {**json.loads(grammar.definition), "x-guidance": style}}
    definition = f"start: {slashed(grammar.definition)}" if grammar.kind == "regex" else grammar.definition
    return {"lark_grammar": definition}


@dataclass(slots=True)
class Rules:
    """A grammar that is being put together: rules in Lark, and the grammars that they refer to."""

    tokenizer: Tokenizer | None = None
    lines: list[str] = field(default_factory=list[str])
    parts: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    search: Search = field(default_factory=Search)

    def literal(self, text: str) -> str:
        """A text, in which control tokens are tokens."""
        return literal(text, self.tokenizer)

    def rule(self, name: str, body: str, attributes: str = "") -> str:
        """Adds a rule, or a terminal, whose name has capitals; returns its name."""
        self.lines.append(f"{name}{attributes}: {body}")
        return name

    def refer(self, inner: dict[str, Any]) -> str:
        """Adds a grammar (`part`); returns what refers to it."""
        name = f"part_{len(self.parts)}"
        self.parts.append({"name": name, **inner})
        return f"@{name}"

    def arguments(self, tool: Tool) -> str:
        """What a function takes, as JSON."""
        return self.refer(closest_schema(tool, self.search).part)

    def string_until(self, schema: dict[str, Any], end: str, name: str) -> str:
        """A string of a schema as it is, and the end of it, which stands nowhere in that."""
        pattern = text_pattern(schema)
        if self.is_text(end):
            return self.rule(name, self.rule(name.upper(), pattern), f"[suffix={json.dumps(end, ensure_ascii=False)}]")
        return f"{self.rule(name.upper(), f'{without(end)} & {pattern}')} {self.literal(end)}"

    def text_until(self, grammar: Grammar | None, end: str, name: str) -> str:
        """Text that matches a grammar, or any, and the end of it, which stands nowhere in that."""
        if (grammar is None or grammar.kind == "regex") and self.is_text(end):
            # One lexeme with its ending: on its own, a pattern that can match the ending would run over it.
            pattern = slashed(grammar.definition) if grammar else ANY_TEXT
            return self.rule(name, pattern, f"[suffix={json.dumps(end, ensure_ascii=False)}]")
        body = self.refer(part(grammar)) if grammar else self.rule(name.upper(), without(end))
        return f"{body} {self.literal(end)}"

    def text_body(self, tool: Tool, marker: str) -> str:
        """What a custom tool takes, up to the end of the answer or, where that is a token, a marker."""
        return self.refer(
            part(tool.grammar) if tool.grammar else {"lark_grammar": f"start: TEXT\nTEXT: {without(marker)}"}
        )

    def is_text(self, text: str) -> bool:
        """Whether no control token stands in it."""
        return not (self.tokenizer and self.tokenizer.special_pattern.search(text))

    def compose(self) -> Grammar:
        """The whole, whose rule `start` is the first."""
        lark = "%llguidance {}\n" + "\n".join(self.lines)
        return Grammar("composed", json.dumps({"grammars": [{"lark_grammar": lark}, *self.parts]}, ensure_ascii=False))


def several(call: str, separator: str, tool_set: ToolSet) -> str:
    """One call, or as many as an answer may have, in Lark."""
    more = f"{separator} {call}" if separator else call
    return f"{call} ({more}){{0,{MOST_CALLS - 1}}}" if tool_set.parallel else call


def add_start(rules: Rules, tool_set: ToolSet, text: Grammar | None, *, marker: str, calls: str) -> None:
    """Adds the rule `start`: text, or calls behind their marker, or text before them; as the caller wants it."""
    begin = rules.literal(marker)
    token = not rules.is_text(marker)
    if tool_set.mode == "required":
        start = f"{begin} {calls}"
    elif text is not None:
        start = f"{rules.refer(part(text))} | {begin} {calls}"
    else:
        start = f"text | text {begin} {calls}" if token else f"text | text_before_call {calls}"
        rules.rule("text", "TEXT")
        rules.rule("TEXT", without(marker))
        if not token:
            rules.rule("text_before_call", slashed(f"(?s:.*){re.escape(marker)}"), "[lazy]")
    rules.lines.insert(0, f"start: {start}")


def without_calls(tool_set: ToolSet, text: Grammar | None, *markers: str) -> Grammar | None:
    """What an answer must match in which nothing can be called; None: anything."""
    # A model that is told of tools but must not call one must not begin a call either.
    return text or (Grammar("lark", f"start: TEXT\nTEXT: {without(*markers)}") if tool_set.tools else None)
