"""How Hermes and Qwen models talk: calls as JSON between tags, results between tags.

A model calls a function as it was trained to (https://github.com/NousResearch/Hermes-Function-Calling):

    <tool_call>
    {"name": "read_file", "arguments": {"path": "a.txt"}}
    </tool_call>

A custom tool takes text that is no JSON; its call has the text on the lines below its name:

    <tool_call>
    {"name": "apply_patch"}
    *** Begin Patch
    …
    </tool_call>

It is also the form in which models are told in words to call tools, where nothing better is known of them.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from codex_windows_ai.chat.answer_reader import CallReader, Steps
from codex_windows_ai.chat.call_grammar import MOST_CALLS, Rules, add_start, several, without_calls
from codex_windows_ai.chat.call_style import PROBE, PROBE_ARGUMENTS
from codex_windows_ai.chat.format import AnswerParser
from codex_windows_ai.chat.spelling_format import SpellingFormat
from codex_windows_ai.chat.template import ChatTemplate
from codex_windows_ai.chat.tool_format import as_function, custom_description
from codex_windows_ai.chat.written import Written, chained, obeyed
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.protocol.grammar import Grammar
from codex_windows_ai.protocol.message import Call
from codex_windows_ai.protocol.tools import Tool, ToolKind, ToolSet

__all__ = ["MOST_CALLS", "Hermes", "HermesParser", "answer_grammar", "call_form"]

CALL_BEGIN, CALL_END = "<tool_call>", "</tool_call>"


@dataclass(frozen=True, slots=True)
class CallForm:
    """The text around a call's body, which is a function's arguments or a custom tool's input."""

    begin: str
    end: str

    def write(self, body: str) -> str:
        """The call as the model writes it."""
        return f"{self.begin}{body}{self.end}"


def call_form(kind: ToolKind, name: str) -> CallForm:
    """How a call of the tool with this (qualified) name is written."""
    quoted = json.dumps(name, ensure_ascii=False)
    if kind == "function":
        return CallForm(f'{CALL_BEGIN}\n{{"name": {quoted}, "arguments": ', f"}}\n{CALL_END}")
    return CallForm(f'{CALL_BEGIN}\n{{"name": {quoted}}}\n', f"\n{CALL_END}")


class Hermes(SpellingFormat):
    """The format; it suits all models."""

    name = "hermes"
    markers = (CALL_BEGIN,)
    custom_as_text = True
    spells_words = True

    @classmethod
    def suits(cls, template: ChatTemplate) -> bool:
        """It is the form in which the models without one of their own do best."""
        return True

    @classmethod
    def written_in(cls, written: str) -> bool:
        """As all formats."""
        return call_form("function", PROBE).write(json.dumps(PROBE_ARGUMENTS)) in written

    @classmethod
    def opening(cls, name: str) -> str:
        """As all formats."""
        return f'{CALL_BEGIN}\n{{"name": "'

    @property
    def takes_tools(self) -> bool:
        """The template is told of tools, unless it has the model call them in another form than ours."""
        return "tools" in self.template.tool_source and CALL_BEGIN in self.template.tool_source

    @property
    def takes_results(self) -> bool:
        """What a call returned is a user's turn in `<tool_response>` where the template knows no other."""
        if self.native:
            return super().takes_results
        return "tool_response" in (self.template.tool_source if self.takes_tools else self.template.source)

    def spell(self, calls: Sequence[Call]) -> Written:
        """As all formats; each call on lines of its own."""
        return spell(calls)

    def described(self, tool: Tool) -> dict[str, Any]:
        """As all formats; a custom tool's call has a form of its own."""
        return described(tool)

    def call_grammar(self, rules: Rules, tool_set: ToolSet, text: Grammar | None) -> None:
        """As all formats."""
        _add_calls(rules, tool_set, text)

    def parser(self, tools: ToolSet, *, text_is_constrained: bool) -> AnswerParser | None:
        """What finds the calls; None where none can come."""
        return HermesParser(tools, text_is_constrained=text_is_constrained) if tools.callable else None


def spell(calls: Sequence[Call]) -> Written:
    """Calls that follow on each other, as the model writes them."""
    forms = [(call_form(call.kind, call.name), call.body) for call in calls]
    return chained([obeyed(form.begin, body, form.end) for form, body in forms], "\n")


def definition(tool: Tool) -> str:
    """What the model is told of a tool, as JSON text."""
    return json.dumps(described(tool), ensure_ascii=False)


def described(tool: Tool) -> dict[str, Any]:
    """What the model is told of a tool, as OpenAI's chat tools are."""
    form = "" if tool.kind == "function" else call_form(tool.kind, tool.qualified_name).write("TEXT")
    said = tool.description if tool.kind == "function" else custom_description(tool, form)
    return as_function(tool.qualified_name, said, tool.parameters)


def answer_grammar(
    tool_set: ToolSet, text: Grammar | None = None, tokenizer: Tokenizer | None = None
) -> Grammar | None:
    """What an answer must match; `text` is what its text must match where it does not call. None: anything.

    Raises InvalidGrammarError: the arguments of a strict tool cannot be followed as they are.
    """
    if not tool_set.callable:
        return without_calls(tool_set, text, CALL_BEGIN)
    rules = Rules(tokenizer)
    _add_calls(rules, tool_set, text)
    return rules.compose()


def _add_calls(rules: Rules, tool_set: ToolSet, text: Grammar | None) -> None:
    tools = tool_set.callable
    add_start(
        rules, tool_set, text, marker=CALL_BEGIN, calls=several("call", rules.literal(f"\n{CALL_BEGIN}"), tool_set)
    )
    rules.rule("call", " | ".join(f"call_{n}" for n in range(len(tools))))
    for n, tool in enumerate(tools):
        form = call_form(tool.kind, tool.qualified_name)
        begin = rules.literal(form.begin.removeprefix(CALL_BEGIN))
        if tool.kind == "custom":
            rules.rule(f"call_{n}", f"{begin} {rules.text_until(tool.grammar, form.end, f'text_{n}')}")
        else:
            rules.rule(f"call_{n}", f"{begin} {rules.arguments(tool)} {rules.literal(form.end)}")


class HermesParser(CallReader):
    """Parses one answer."""

    def __init__(self, tool_set: ToolSet, *, text_is_constrained: bool = False) -> None:
        tools = tool_set.callable
        super().__init__(tools, (CALL_BEGIN,), text_is_constrained=text_is_constrained)
        forms = [(call_form(tool.kind, tool.qualified_name), tool.named) for tool in tools]
        self._openings = {form.begin.removeprefix(CALL_BEGIN): tool for form, tool in forms}
        self._ends = {tool: form.end for form, tool in forms}

    def _calls(self, marker: str) -> Steps[bool]:
        tool = yield from self._opening(self._openings)
        if tool is None:
            return False
        self._begin_call(tool)
        ended = yield from self._upto((self._ends[tool],), self._pass)
        self._end_call(complete=ended is not None)
        return True
