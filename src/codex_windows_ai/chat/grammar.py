"""One grammar for an answer that may call tools, so that every call is well-formed.

Written in llguidance's Lark (https://github.com/guidance-ai/llguidance/blob/main/docs/syntax.md).
Text runs until `<tool_call>`; from there on only a call of an offered tool can follow, with
arguments that match its schema (or the closest that can be followed), and after the last call the
answer ends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from codex_windows_ai.chat.schema import closest_schema
from codex_windows_ai.chat.tools import CALL_BEGIN, Tool, ToolSet
from codex_windows_ai.engine.sampling.grammar import JSON_STYLE, check_grammar
from codex_windows_ai.errors import InvalidGrammarError
from codex_windows_ai.protocol.request import Grammar

MOST_CALLS = 8
"""Calls in one answer; a small model that repeats itself would otherwise call until it is cut off."""

_ANY_TEXT = r"/(?s:.*)/"
_TEXT_WITHOUT_CALL = f"{_ANY_TEXT} & ~/(?s:.*){CALL_BEGIN}(?s:.*)/"


def json_grammar(schema: dict[str, Any]) -> Grammar:
    """JSON that matches a schema."""
    return Grammar("json_schema", json.dumps(schema, ensure_ascii=False))


def answer_grammar(tool_set: ToolSet, text: Grammar | None = None) -> Grammar | None:
    """What an answer must match; `text` is what its text must match where it does not call. None: anything.

    Raises InvalidGrammarError: names the strict or custom tool whose schema or grammar cannot be followed.
    """
    for tool in tool_set.tools:
        _check(tool)
    tools = tool_set.callable
    if text is not None:
        check_grammar(text)
    if not tools:
        # A model that is told of tools but must not call one must not begin a call either.
        return text or (Grammar("lark", f"start: TEXT\nTEXT: {_TEXT_WITHOUT_CALL}") if tool_set.tools else None)
    return Grammar("composed", json.dumps({"grammars": _compose(tool_set, tools, text)}, ensure_ascii=False))


def _check(tool: Tool) -> None:
    try:
        if tool.kind == "function":
            closest_schema(tool)
        elif tool.grammar is not None:
            check_grammar(tool.grammar)
    except InvalidGrammarError as error:
        hint = "Simplify what it takes, or do not offer it."
        raise InvalidGrammarError(
            f"The tool `{tool.qualified_name}` cannot be offered. {error.message}",
            hint="Offer it without `strict`, and its schema is kept to as far as that goes." if tool.strict else hint,
            param="tools",
        ) from error


def _compose(tool_set: ToolSet, tools: Sequence[Tool], text: Grammar | None) -> list[dict[str, Any]]:
    """The start first, then one grammar for each body."""
    bodies: list[dict[str, Any]] = []
    begin, call = json.dumps(CALL_BEGIN), " | ".join(f"call_{n}" for n in range(len(tools)))
    more = f" ({json.dumps(chr(10) + CALL_BEGIN)} call){{0,{MOST_CALLS - 1}}}" if tool_set.parallel else ""
    rules = [f"call: {call}"]
    if tool_set.mode == "required":
        rules.insert(0, f"start: {begin} call{more}")
    elif text is not None:
        rules.insert(0, f"start: @text | {begin} call{more}")
        bodies.append({"name": "text", **_part(text)})
    else:
        rules.insert(0, f"start: text | text_before_call call{more}")
        rules += ["text: TEXT", f"TEXT: {_TEXT_WITHOUT_CALL}", f"text_before_call[lazy]: /(?s:.*){CALL_BEGIN}/"]
    for n, tool in enumerate(tools):
        opening, ending = (json.dumps(part, ensure_ascii=False) for part in _around(tool))
        body = tool.grammar
        if tool.kind == "custom" and (body is None or body.kind == "regex"):
            # One lexeme with its ending: on its own, a pattern that can match the ending would run over it.
            pattern = _slashed(body.definition) if body else _ANY_TEXT
            rules += [f"call_{n}: {opening} text_{n}", f"text_{n}[suffix={ending}]: {pattern}"]
        else:
            rules.append(f"call_{n}: {opening} @body_{n} {ending}")
            bodies.append({"name": f"body_{n}", **(_part(body) if body else closest_schema(tool).part)})
    return [{"lark_grammar": "%llguidance {}\n" + "\n".join(rules)}, *bodies]


def _around(tool: Tool) -> tuple[str, str]:
    """What stands between `<tool_call>` and the body, and behind it."""
    return tool.form.begin.removeprefix(CALL_BEGIN), tool.form.end


def _slashed(pattern: str) -> str:
    """A regex as Lark writes it: between slashes, those inside escaped."""
    return "/" + re.sub(r"\\.|/|\n", lambda part: _IN_SLASHES.get(part[0], part[0]), pattern) + "/"


_IN_SLASHES = {"/": "\\/", "\n": "\\n"}


def _part(grammar: Grammar) -> dict[str, Any]:
    """A part of a composed grammar, in llguidance's JSON form."""
    if grammar.kind == "json_schema":
        return {"json_schema": {**json.loads(grammar.definition), "x-guidance": JSON_STYLE}}
    definition = f"start: {_slashed(grammar.definition)}" if grammar.kind == "regex" else grammar.definition
    return {"lark_grammar": definition}
