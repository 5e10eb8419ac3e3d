"""How Llama 3 models talk: a call is JSON and all of the answer, `{"name": "read_file", "parameters": {"path": "a"}}`.

Llama 3.1 may put `<|python_tag|>` before it, and small models a `"type": "function"` into it. As these models know no
mark for a call, an answer that begins like one is one; text has none in it.
"""

from __future__ import annotations

import json

from codex_windows_ai.chat.call_grammar import Rules, part
from codex_windows_ai.chat.call_style import PROBE, PROBE_ARGUMENTS
from codex_windows_ai.chat.format import AnswerParser
from codex_windows_ai.chat.json_calls import JsonForm, JsonFormat, JsonReader, add_first_only
from codex_windows_ai.protocol.grammar import Grammar
from codex_windows_ai.protocol.tools import ToolSet

PYTHON_TAG = "<|python_tag|>"
_NAME, _TYPED = '{"name": "', '{"type": "function", "name": "'
_BEGINNINGS = (_NAME, _TYPED, PYTHON_TAG + _NAME, PYTHON_TAG + _TYPED)
_LIKE_A_CALL = r'(?s:\s*(<\|python_tag\|>|\{\s*"name"|\{\s*"type": "function").*)'

FORM = JsonForm(_NAME, lambda name: (f'{name}", "parameters": ',), ("}",), separator=f"\n{_NAME}")


class Llama(JsonFormat):
    """The format."""

    name = "llama"
    markers = _BEGINNINGS
    control = (PYTHON_TAG,)
    form = FORM

    @classmethod
    def written_in(cls, written: str) -> bool:
        """As all formats."""
        return f'{_NAME}{PROBE}", "parameters": {json.dumps(PROBE_ARGUMENTS)}}}' in written

    @classmethod
    def opening(cls, name: str) -> str:
        """As all formats."""
        return _NAME

    def call_grammar(self, rules: Rules, tool_set: ToolSet, text: Grammar | None) -> None:
        """As all formats."""
        beginnings = " | ".join(rules.literal(one) for one in _BEGINNINGS)
        calls = f"({beginnings}) {FORM.add_calls(rules, tool_set)}"
        said = rules.refer(part(text)) if text is not None else None
        add_first_only(rules, tool_set, said, pattern=_LIKE_A_CALL, calls=calls)

    def grammar(self, tools: ToolSet, text: Grammar | None) -> Grammar | None:
        """As all formats; where nothing may be called, what looks like a call is JSON as any other."""
        return super().grammar(tools, text) if tools.callable else text

    def parser(self, tools: ToolSet, *, text_is_constrained: bool) -> AnswerParser | None:
        """What finds the calls; None where none can come."""
        return JsonReader(tools, FORM, _BEGINNINGS, first_only=True) if tools.callable else None
