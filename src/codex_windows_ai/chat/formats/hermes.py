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

The grammar is written in llguidance's Lark (https://github.com/guidance-ai/llguidance/blob/main/docs/syntax.md).
Text runs until `<tool_call>`; from there on only a call of an offered tool can follow, with arguments that match
its schema (or the closest that can be followed), and after the last call the answer ends.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from codex_windows_ai.chat.format import AnswerParser, ChatFormat
from codex_windows_ai.chat.schema import Search, closest_schema
from codex_windows_ai.engine.sampling.grammar_worker import JSON_STYLE
from codex_windows_ai.protocol.answer import AnswerPart, CallBegun, CallEnded, CallPiece, TextPiece
from codex_windows_ai.protocol.grammar import Grammar
from codex_windows_ai.protocol.message import Call, Image, Message, Part, Reasoning, Result, Text
from codex_windows_ai.protocol.tools import Tool, ToolKind, ToolName, ToolSet

CALL_BEGIN, CALL_END = "<tool_call>", "</tool_call>"

MOST_CALLS = 8
"""Calls in one answer; a small model that repeats itself would otherwise call until it is cut off."""

_ANY_TEXT = r"/(?s:.*)/"
_TEXT_WITHOUT_CALL = f"{_ANY_TEXT} & ~/(?s:.*){CALL_BEGIN}(?s:.*)/"


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


class Hermes(ChatFormat):
    """The format; a template that knows no tools gets them as words in the system message."""

    name = "hermes"

    @classmethod
    def suits(cls, template: str) -> bool:
        """It is the form in which the models without one of their own do best."""
        return True

    def render(
        self, messages: Sequence[Message], tools: ToolSet, options: Mapping[str, Any] | None = None
    ) -> list[int]:
        """Token ids of the conversation, up to where the assistant's answer begins.

        All tools are told of, whatever the choice is, so that the prompt stays the same. What a call returned is a
        user's turn in `<tool_response>` where the template knows no other.

        Raises InvalidRequestError: the model's template refuses these messages.
        """
        return self.template.encode(*self._conversation(messages, tools), options)

    def render_continued(
        self, messages: Sequence[Message], tools: ToolSet, options: Mapping[str, Any] | None = None
    ) -> list[int] | None:
        """Token ids up to the end of what the assistant says in the last message, which the answer goes on from.

        None where the model's template does not write it as it is. Raises as `render`.
        """
        return self.template.encode_continued(*self._conversation(messages, tools), options)

    def _conversation(
        self, messages: Sequence[Message], tools: ToolSet
    ) -> tuple[list[dict[str, Any]], list[dict[str, Any]] | None]:
        """The turns, and the tools that the template is told of."""
        turns = [
            self.reasoning.turn({"role": message.role, "content": write_turn(message.parts)}, message)
            for message in messages
        ]
        # A template that has the model call tools in another form than ours is not used for them.
        source = self.template.tool_source
        takes_tools = bool(tools.tools) and "tools" in source and "<tool_call>" in source
        if tools.tools and not takes_tools:
            turns = _with_instructions(turns, instructions(tools))
        if "tool_response" not in (source if takes_tools else self.template.source):
            turns = [_as_user(turn) if turn["role"] == "tool" else turn for turn in turns]
        return turns, [described(tool) for tool in tools.tools] if takes_tools else None

    def grammar(self, tools: ToolSet, text: Grammar | None) -> Grammar | None:
        """What an answer must match, so that every call is well formed.

        Raises InvalidGrammarError: what a tool takes cannot be followed.
        """
        return answer_grammar(tools, text)

    def parser(self, tools: ToolSet, *, text_is_constrained: bool) -> AnswerParser | None:
        """What finds the calls; None where none can come."""
        return HermesParser(tools, text_is_constrained=text_is_constrained) if tools.callable else None


def definition(tool: Tool) -> str:
    """What the model is told of a tool, as JSON text."""
    return json.dumps(described(tool), ensure_ascii=False)


def described(tool: Tool) -> dict[str, Any]:
    """What the model is told of a tool, as OpenAI's chat tools are."""
    function = {
        "name": tool.qualified_name,
        "description": tool.description if tool.kind == "function" else _custom_description(tool),
        "parameters": tool.parameters,
    }
    return {"type": "function", "function": function}


def instructions(tools: ToolSet) -> str:
    """What a model is told of its tools in words."""
    return _INSTRUCTIONS.format(definitions="\n".join(definition(tool) for tool in tools.tools))


def _custom_description(tool: Tool) -> str:
    parts = [tool.description] if tool.description else []
    form = call_form(tool.kind, tool.qualified_name)
    parts.append(f"This tool takes plain text, not JSON. Call it as:\n{form.write('TEXT')}")
    if tool.grammar is not None:
        parts.append(f"The text must match this {tool.grammar.kind} grammar:\n{tool.grammar.definition}")
    return "\n\n".join(parts)


_INSTRUCTIONS = """# Tools

You can call these functions, each described as JSON:
<tools>
{definitions}
</tools>

To call one, answer with its name and its arguments as JSON, like this:
<tool_call>
{{"name": "function_name", "arguments": {{"argument": "value"}}}}
</tool_call>
What it returns comes back to you in <tool_response></tool_response>."""


def write_turn(parts: Sequence[Part]) -> str:
    """A turn as the model writes it: calls among its words, each on lines of its own."""
    written, before = list[str](), None
    for part in parts:
        match part:
            case Text(text) | Result(text):
                written.append(text)
            case Call(kind, name, body):
                separator = "\n" if isinstance(before, Call) else ""
                written += (separator, call_form(kind, name).write(body))
            case Reasoning() | Image():
                continue  # what was thought stands beside the words; these models do not see
        before = part
    return "".join(written)


def _with_instructions(turns: list[dict[str, Any]], told: str) -> list[dict[str, Any]]:
    """The conversation with these words at the end of its system message."""
    if turns and turns[0]["role"] == "system":
        return [{"role": "system", "content": f"{turns[0]['content']}\n\n{told}"}, *turns[1:]]
    return [{"role": "system", "content": told}, *turns]


def _as_user(turn: dict[str, Any]) -> dict[str, Any]:
    return {"role": "user", "content": f"<tool_response>\n{turn['content']}\n</tool_response>"}


def answer_grammar(tool_set: ToolSet, text: Grammar | None = None) -> Grammar | None:
    """What an answer must match; `text` is what its text must match where it does not call. None: anything.

    Raises InvalidGrammarError: the arguments of a strict tool cannot be followed as they are.
    """
    tools = tool_set.callable
    if not tools:
        # A model that is told of tools but must not call one must not begin a call either.
        return text or (Grammar("lark", f"start: TEXT\nTEXT: {_TEXT_WITHOUT_CALL}") if tool_set.tools else None)
    return Grammar("composed", json.dumps({"grammars": _compose(tool_set, tools, text)}, ensure_ascii=False))


def _compose(tool_set: ToolSet, tools: Sequence[Tool], text: Grammar | None) -> list[dict[str, Any]]:
    """The start first, then one grammar for each body."""
    bodies: list[dict[str, Any]] = []
    search = Search()
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
            bodies.append({"name": f"body_{n}", **(_part(body) if body else closest_schema(tool, search).part)})
    return [{"lark_grammar": "%llguidance {}\n" + "\n".join(rules)}, *bodies]


def _around(tool: Tool) -> tuple[str, str]:
    """What stands between `<tool_call>` and the body, and behind it."""
    form = call_form(tool.kind, tool.qualified_name)
    return form.begin.removeprefix(CALL_BEGIN), form.end


def _slashed(pattern: str) -> str:
    """A regex as Lark writes it: between slashes, those inside escaped."""
    return "/" + re.sub(r"\\.|/|\n", lambda part: _IN_SLASHES.get(part[0], part[0]), pattern) + "/"


_IN_SLASHES = {"/": "\\/", "\n": "\\n"}


def _part(grammar: Grammar) -> dict[str, Any]:
    """A part of a composed grammar, in llguidance's JSON form."""
    if grammar.kind == "json_schema":
        style = {**JSON_STYLE, "lenient": grammar.lenient}
        return {"json_schema": {**json.loads(grammar.definition), "x-guidance": style}}
    definition = f"start: {_slashed(grammar.definition)}" if grammar.kind == "regex" else grammar.definition
    return {"lark_grammar": definition}


class HermesParser:
    """Parses one answer.

    With `text_is_constrained` (by a JSON schema, say) an answer is either text or calls, and
    `<tool_call>` inside its text means nothing.
    """

    def __init__(self, tool_set: ToolSet, *, text_is_constrained: bool = False) -> None:
        self._forms = [(call_form(tool.kind, tool.qualified_name), tool.named) for tool in tool_set.callable]
        self._text_is_constrained = text_is_constrained
        self._held = ""
        self._call: tuple[CallForm, ToolName] | None = None
        self._body = ""
        self._spoken = False
        """Something but whitespace was said since the beginning or the last call."""
        self._called = False

    def push(self, text: str) -> list[AnswerPart]:
        """What this piece completes."""
        if not self._forms:
            return [TextPiece(text)] if text else []
        self._held += text
        parts: list[AnswerPart] = []
        while self._advance(parts):
            pass
        return parts

    def finish(self, *, cut: bool = False) -> list[AnswerPart]:
        """What was held back. `cut` says that the answer was cut off, and did not end by itself."""
        held, self._held = self._held, ""
        if self._call is not None:
            # What is held can only be the beginning of the call's end.
            (_, tool), self._call = self._call, None
            return [CallEnded(tool, self._body, complete=False)]
        if cut:
            held = held.partition(CALL_BEGIN)[0]
            held = held.removesuffix(_begun(held, CALL_BEGIN))
        return [TextPiece(held)] if held and (held.strip() or not self._called) else []

    def _advance(self, parts: list[AnswerPart]) -> bool:
        """Takes one step; False when more text is needed for the next."""
        return self._advance_call(parts, *self._call) if self._call is not None else self._advance_text(parts)

    def _advance_text(self, parts: list[AnswerPart]) -> bool:
        if self._spoken and self._text_is_constrained:
            self._say(self._held, parts)
            return False
        before, marker, _ = self._held.partition(CALL_BEGIN)
        self._say(before if marker else before.removesuffix(_begun(before, CALL_BEGIN)), parts)
        if self._spoken and self._text_is_constrained:
            return True  # what is held is text, too
        if not marker:
            return False
        opening = self._held.lstrip()
        for form, tool in self._forms:
            if opening.startswith(form.begin):
                self._held = opening.removeprefix(form.begin)
                self._call, self._body, self._called = (form, tool), "", True
                parts.append(CallBegun(tool))
                return True
        if any(form.begin.startswith(opening) for form, _ in self._forms):
            return False
        self._spoken = True  # no call of a tool that is here: then it is text
        self._say(self._held[: len(self._held) - len(opening) + len(CALL_BEGIN)], parts)
        return True

    def _say(self, text: str, parts: list[AnswerPart]) -> None:
        """Passes on the beginning of what is held; whitespace waits for what comes behind it."""
        if text and (self._spoken or text.strip()):
            self._spoken = True
            self._held = self._held.removeprefix(text)
            parts.append(TextPiece(text))

    def _advance_call(self, parts: list[AnswerPart], form: CallForm, tool: ToolName) -> bool:
        body, end, rest = self._held.partition(form.end)
        if not end:
            body = body.removesuffix(_begun(body, form.end))
            rest = self._held.removeprefix(body)
        self._held = rest
        self._body += body
        if body:
            parts.append(CallPiece(body))
        if end:
            parts.append(CallEnded(tool, self._body))
            self._call, self._spoken = None, False
        return bool(end)


def _begun(text: str, marker: str) -> str:
    """The longest end of `text` that may become `marker`."""
    for length in range(min(len(text), len(marker) - 1), 0, -1):
        if text.endswith(marker[:length]):
            return marker[:length]
    return ""
