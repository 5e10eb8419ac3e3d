"""What an answer must match, whatever the format: JSON of a schema, and the check of what a request asks for."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from codex_windows_ai.chat.schema import Search, closest_schema, closest_text_schema
from codex_windows_ai.engine.sampling.grammar_trial import check_grammar
from codex_windows_ai.errors import InvalidGrammarError
from codex_windows_ai.protocol.grammar import Grammar
from codex_windows_ai.protocol.tools import Tool, ToolSet


def json_grammar(schema: dict[str, Any]) -> Grammar:
    """JSON that matches a schema."""
    return Grammar("json_schema", json.dumps(schema, ensure_ascii=False))


def closest_json_grammar(schema: dict[str, Any], *, strict: bool) -> tuple[Grammar, str]:
    """JSON that matches a schema, or the closest one that can be followed, and the reason why it is not the same.

    Raises InvalidGrammarError: it is strict, and cannot be followed as it is.
    """
    found = closest_text_schema(schema, strict=strict)
    return replace(json_grammar(found.schema), lenient=found.lenient), found.loosened


def check_answer(tools: ToolSet, text: Grammar | None = None) -> list[dict[str, str]]:
    """Refuses what no answer could match; the functions whose schemas are not wholly kept to, each with the reason.

    Raises InvalidGrammarError: names the strict or custom tool whose schema or grammar cannot be followed.
    """
    search = Search()
    reasons = [(tool.qualified_name, _check_tool(tool, search)) for tool in tools.tools]
    if text is not None:
        check_grammar(text)
    return [{"tool": name, "reason": reason} for name, reason in reasons if reason]


def _check_tool(tool: Tool, search: Search) -> str:
    """Why its schema is not wholly kept to; nothing where it is."""
    try:
        if tool.kind == "function":
            return closest_schema(tool, search).loosened
        if tool.grammar is not None:
            check_grammar(tool.grammar)
    except InvalidGrammarError as error:
        hint = "Simplify what it takes, or do not offer it."
        raise InvalidGrammarError(
            f"The tool `{tool.qualified_name}` cannot be offered. {error.message}",
            hint="Offer it without `strict`, and its schema is kept to as far as that goes." if tool.strict else hint,
            param="tools",
        ) from error
    return ""
