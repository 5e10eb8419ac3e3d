"""Finds the calls in an answer while it is being written.

What is pushed in are pieces of text as the model writes them, cut anywhere; what comes out are
text and calls, the same however the pieces were cut. Half of `<tool_call>` is never shown as text.
"""

from __future__ import annotations

from dataclasses import dataclass

from codex_windows_ai.chat.tools import CALL_BEGIN, Tool, ToolSet


@dataclass(frozen=True, slots=True)
class TextPiece:
    """Text that follows on what came before."""

    text: str


@dataclass(frozen=True, slots=True)
class CallBegun:
    """The model calls `tool`; the pieces of what it passes follow."""

    tool: Tool


@dataclass(frozen=True, slots=True)
class CallPiece:
    """More of the arguments (JSON text), or of a custom tool's input."""

    text: str


@dataclass(frozen=True, slots=True)
class CallEnded:
    """All that the call passes. One that is not `complete` was cut off and must not be run."""

    tool: Tool
    body: str
    complete: bool = True


AnswerPart = TextPiece | CallBegun | CallPiece | CallEnded


class ToolParser:
    """Parses one answer.

    With `text_is_constrained` (by a JSON schema, say) an answer is either text or calls, and
    `<tool_call>` inside its text means nothing.
    """

    def __init__(self, tool_set: ToolSet, *, text_is_constrained: bool = False) -> None:
        self._forms = [(tool.form, tool) for tool in tool_set.callable]
        self._text_is_constrained = text_is_constrained
        self._held = ""
        self._tool: Tool | None = None
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
        if self._tool is not None:
            # What is held can only be the beginning of the call's end.
            tool, self._tool = self._tool, None
            return [CallEnded(tool, self._body, complete=False)]
        if cut:
            held = held.partition(CALL_BEGIN)[0]
            held = held.removesuffix(_begun(held, CALL_BEGIN))
        return [TextPiece(held)] if held and (held.strip() or not self._called) else []

    def _advance(self, parts: list[AnswerPart]) -> bool:
        """Takes one step; False when more text is needed for the next."""
        return self._advance_call(parts, self._tool) if self._tool is not None else self._advance_text(parts)

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
                self._tool, self._body, self._called = tool, "", True
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

    def _advance_call(self, parts: list[AnswerPart], tool: Tool) -> bool:
        body, end, rest = self._held.partition(tool.form.end)
        if not end:
            body = body.removesuffix(_begun(body, tool.form.end))
            rest = self._held.removeprefix(body)
        self._held = rest
        self._body += body
        if body:
            parts.append(CallPiece(body))
        if end:
            parts.append(CallEnded(tool, self._body))
            self._tool, self._spoken = None, False
        return bool(end)


def _begun(text: str, marker: str) -> str:
    """The longest end of `text` that may become `marker`."""
    for length in range(min(len(text), len(marker) - 1), 0, -1):
        if text.endswith(marker[:length]):
            return marker[:length]
    return ""
