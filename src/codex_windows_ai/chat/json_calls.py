"""Calls whose arguments are JSON, between a few fixed words: what Llama's, Mistral's and Phi's forms have in common."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from codex_windows_ai.chat.answer_reader import CallReader, Steps
from codex_windows_ai.chat.call_grammar import Rules, add_start, several, without_text
from codex_windows_ai.chat.conversation import identifier
from codex_windows_ai.chat.format import AnswerParser
from codex_windows_ai.chat.spelling_format import SpellingFormat
from codex_windows_ai.chat.tool_format import custom_as_function
from codex_windows_ai.chat.written import Obeyed, Written, chained
from codex_windows_ai.protocol.answer import CallBegun
from codex_windows_ai.protocol.grammar import Grammar
from codex_windows_ai.protocol.message import Call
from codex_windows_ai.protocol.tools import ToolName, ToolSet

_IDENTIFIER = "/[A-Za-z0-9]{9}/"

Around = tuple[str, ...]
"""Fixed words; where they are two, an identifier of nine letters and digits stands between them."""


@dataclass(frozen=True, slots=True)
class JsonForm:
    """How calls are written: `marker`, `before`, then each call with `separator` between, then `close`."""

    marker: str
    begin: Callable[[str], Around]
    """What stands before the arguments, of a tool's name; the marker is no part of it."""
    end: Around = ()
    before: str = ""
    separator: str = ""
    close: str = ""
    custom_as_text: bool = False
    """What a custom tool takes stands in place of the arguments, up to the next marker or the end of the answer."""

    def spell(self, calls: Sequence[Call]) -> Written:
        """Calls that follow on each other."""
        written: list[Written] = []
        for call in calls:
            body = call.body or ("" if call.kind == "custom" else "{}")
            words = (*self._named(self.begin(call.name), call), body, *self._named(self.end, call))
            written.append(Written(words))
        whole = chained(written, self.separator).pieces
        return Written((Obeyed(self.marker + self.before), *whole, Obeyed(self.close)))

    @staticmethod
    def _named(around: Around, call: Call) -> Around:
        first = tuple(Obeyed(one) for one in around[:1])
        return (*first, Obeyed(identifier(call.call_id) + around[1])) if len(around) > 1 else first

    def add_calls(self, rules: Rules, tool_set: ToolSet) -> str:
        """Adds the rules of the calls; returns all that stands behind the marker, in Lark."""
        tools = tool_set.callable
        rules.rule("call", " | ".join(f"call_{n}" for n in range(len(tools))))
        for n, tool in enumerate(tools):
            begin = self._lark(rules, self.begin(tool.qualified_name))
            if tool.kind == "custom" and self.custom_as_text:
                rules.rule(f"call_{n}", f"{begin} {rules.text_body(tool, self.marker)}")
            else:
                function = tool if tool.kind == "function" else custom_as_function(tool)
                body = rules.arguments(function)
                rules.rule(f"call_{n}", f"{begin} {body} {self._lark(rules, self.end)}")
        calls = several("call", rules.literal(self.separator) if self.separator else "", tool_set)
        return f"{rules.literal(self.before)} {calls} {rules.literal(self.close)}"

    @staticmethod
    def _lark(rules: Rules, around: Around) -> str:
        return f" {_IDENTIFIER} ".join(rules.literal(one) for one in around)


class JsonFormat(SpellingFormat):
    """A format whose calls have a `JsonForm`, of which the first marker is the form's."""

    form: JsonForm

    def spell(self, calls: Sequence[Call]) -> Written:
        """As all formats."""
        return self.form.spell(calls)

    def call_grammar(self, rules: Rules, tool_set: ToolSet, text: Grammar | None) -> None:
        """As all formats."""
        add_start(rules, tool_set, text, marker=self.form.marker, calls=self.form.add_calls(rules, tool_set))

    def parser(self, tools: ToolSet, *, text_is_constrained: bool) -> AnswerParser | None:
        """What finds the calls; None where none can come."""
        if not tools.callable:
            return None
        return JsonReader(tools, self.form, self.markers, first_only=text_is_constrained)


def add_first_only(rules: Rules, tool_set: ToolSet, text: str | None, *, pattern: str, calls: str) -> None:
    """Adds the rule `start` where calls can only begin an answer: text that does not begin so, or calls."""
    rules.lines.insert(0, f"start: {calls}" if tool_set.mode == "required" else f"start: {text or 'TEXT'} | {calls}")
    if text is None:
        rules.rule("TEXT", without_text(pattern))


class JsonReader(CallReader):
    """Reads calls of a `JsonForm`."""

    def __init__(self, tool_set: ToolSet, form: JsonForm, markers: Sequence[str], *, first_only: bool) -> None:
        tools = tool_set.callable
        super().__init__(tools, markers, text_is_constrained=first_only)
        self._form = form
        self._begins = {form.begin(tool.qualified_name)[0]: tool for tool in tools}

    def _calls(self, marker: str) -> Steps[bool]:
        form = self._form
        prefix = form.before
        openings = {prefix + begin: tool.named for begin, tool in self._begins.items()}
        tool = yield from self._opening(openings)
        if tool is None:
            return False
        while tool is not None:
            whole = yield from self._one(tool)
            if not whole or not (form.separator or form.close):
                return True
            more = {form.separator + begin: each.named for begin, each in self._begins.items()}
            found = yield from self._starts((*(more if form.separator else ()), *([form.close] if form.close else ())))
            if found is None:
                return True
            self._take(found)
            tool = None if found == form.close else more[found]
        return True

    def _one(self, tool: ToolName) -> Steps[bool]:
        """Reads a call from behind its beginning; whether it is whole."""
        form = self._form
        custom = tool.kind == "custom"
        around = form.begin(tool.qualified)
        call_id = (yield from self._identified(around[1])) if len(around) > 1 else ""
        begun = len(self._parts)
        self._begin_call(tool, wrapped=custom and not form.custom_as_text, call_id=call_id or "")
        if call_id is None:
            yield from self._break_call()
            return False
        if custom and form.custom_as_text:
            place = yield from self._before(form.marker)
            self._end_call(complete=place or not self._cut)
            return True
        self._kept = begun if len(form.end) > 1 else None
        ended = (yield from self._ends(form.end)) if (yield from self._json_object()) else None
        if self._kept is not None:
            begun = self._kept
            self._call_id, self._kept = self._unused(ended or ""), None
            self._parts[begun] = CallBegun(tool, call_id=self._call_id)
        if ended is None:
            yield from self._break_call()
            return False
        self._end_call(complete=True)
        return True

    def _before(self, marker: str) -> Steps[bool]:
        """Passes on what stands before a marker, which is not taken."""
        found = yield from self._upto((marker,), self._pass)
        self._held = (found or "") + self._held
        return found is not None

    def _ends(self, around: Around) -> Steps[str | None]:
        """Takes what stands behind the arguments; returns the identifier in it, if there is one. None: it is not so."""
        if around and (yield from self._starts(around[:1])) is None:
            return None
        self._take("".join(around[:1]))
        return (yield from self._identified(around[1])) if len(around) > 1 else ""

    def _identified(self, end: str) -> Steps[str | None]:
        """Takes and returns an identifier, and takes what stands behind it; None, and nothing taken: there is none."""
        while len(self._held) < 9 + len(end) and not self._ended:
            yield
        found, behind = self._held[:9], self._held[9:]
        if not found.isalnum() or not behind.startswith(end):
            return None
        self._held = behind.removeprefix(end)
        return found
