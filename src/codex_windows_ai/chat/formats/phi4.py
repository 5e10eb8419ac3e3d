"""How Phi-4-mini talks: `<|tool_call|>[{"name": "read_file", "arguments": {"path": "a.txt"}}]<|/tool_call|>`.

Its own template takes the tools as a text with the system message, writes calls nowhere, and every role as a token.
Others' templates for it write each call for itself, without the list.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from codex_windows_ai.chat.call_style import PROBE, PROBE_ARGUMENTS, PROBE_ID
from codex_windows_ai.chat.conversation import Turns
from codex_windows_ai.chat.json_calls import JsonForm, JsonFormat
from codex_windows_ai.chat.template import ChatTemplate
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.protocol.message import Call, Message
from codex_windows_ai.protocol.tools import ToolSet

MARKER, END = "<|tool_call|>", "<|/tool_call|>"
_TOOLS, _TOOLS_END, _RESULT = "<|tool|>", "<|/tool|>", "tool_response"
_SYSTEM = "You are a helpful assistant with some tools."

LIST = JsonForm(
    MARKER, lambda name: (f'{{"name": "{name}", "arguments": ',), ("}",), before="[", separator=", ", close=f"]{END}"
)
EACH = JsonForm(MARKER, lambda name: (f'{{"name": "{name}", "arguments": ',), (f"}}{END}",), separator=MARKER)


class Phi4(JsonFormat):
    """The format, in the way that the template writes."""

    name = "phi4"
    markers = (MARKER,)
    control = (END, f"<|{_RESULT}|>")

    def __init__(self, template: ChatTemplate, tokenizer: Tokenizer) -> None:
        self.form = EACH if self.written_in(template.calls.written) else LIST
        super().__init__(template, tokenizer)

    @classmethod
    def suits(cls, template: ChatTemplate) -> bool:
        """Whether the template writes its calls, or takes its tools."""
        return cls.written_in(template.calls.written) or _takes_tools_with_system(template)

    @classmethod
    def written_in(cls, written: str) -> bool:
        """As all formats."""
        call = Call("function", PROBE, json.dumps(PROBE_ARGUMENTS), PROBE_ID)
        return EACH.spell((call,)).text in written

    @classmethod
    def opening(cls, name: str) -> str:
        """As all formats."""
        return f'{MARKER}{{"name": "'

    def told(self, turns: Turns, tools: ToolSet) -> Turns:
        """The tools as the template takes them: with the system message, as JSON text."""
        if not _takes_tools_with_system(self.template):
            return super().told(turns, tools)
        listed = json.dumps([self.described(tool)["function"] for tool in tools.tools], ensure_ascii=False)
        has_system = bool(turns) and turns[0]["role"] == "system"
        content = turns[0]["content"] if has_system else _SYSTEM
        return [{"role": "system", "content": content, "tools": listed}, *turns[int(has_system) :]]

    def conversation(self, messages: Sequence[Message], tools: ToolSet) -> tuple[Turns, list[dict[str, Any]] | None]:
        """As all formats; results have a role of their own where the vocabulary has its token."""
        turns, told = super().conversation(messages, tools)
        if not self.native and self.tokenizer.id_of(f"<|{_RESULT}|>") is not None:
            turns = [{**turn, "role": _RESULT} if turn["role"] == "tool" else turn for turn in turns]
        return turns, told


def _takes_tools_with_system(template: ChatTemplate) -> bool:
    source = template.source
    return not template.calls.written and all(f"{one}" in source for one in (_TOOLS, _TOOLS_END, "message['tools']"))
