"""Reads one answer as it comes: a format's parser is written as if all text were there, and waits where it is not.

A parser is a generator (`_read`): it takes from the beginning of what is held, and where that does not say yet what
comes next, it waits by a bare `yield`. So it makes no difference where tokens cut the text.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Mapping, Sequence
from typing import TypeVar

from codex_windows_ai.engine.sampling.stop_strings import overlap
from codex_windows_ai.protocol.answer import AnswerPart, CallBegun, CallEnded, CallPiece, TextPiece
from codex_windows_ai.protocol.json_values import as_object, object_in
from codex_windows_ai.protocol.tools import Tool, ToolName

Found = TypeVar("Found")
_DONE = object()
Steps = Generator[None, None, Found]
"""What waits for more text by `yield`, and returns what it found."""


class AnswerReader(ABC):
    """Finds text and calls in one answer.

    With `text_is_constrained` (by a JSON schema, say) an answer is either text or calls, and a marker inside its text
    means nothing. A call is complete when its end was written; of one that is malformed everything is kept, in its
    body as it was written.
    """

    def __init__(self, *, text_is_constrained: bool = False) -> None:
        self._text_is_constrained = text_is_constrained
        self._held = ""
        self._ended = False
        self._cut = False
        self._parts: list[AnswerPart] = []
        self._blank = ""
        """Whitespace that waits for what comes behind it."""
        self._spoken = False
        """Something but whitespace was said since the beginning or the last call."""
        self._called: ToolName | None = None
        """The last tool that was called."""
        self._body: list[str] = []
        """Of the call that is being written."""
        self._wrapped = False
        self._call_id = ""
        self.known_ids: set[str] = set()
        """Ids of calls in the conversation; a call whose model gives it one of these again has none."""
        self._kept: int | None = None
        """So many parts are told; those behind wait for what comes."""
        self._steps: Steps[None] | None = None

    def push(self, text: str) -> list[AnswerPart]:
        """What this piece completes."""
        self._held += text
        return self._advance()

    def finish(self, *, cut: bool = False) -> list[AnswerPart]:
        """What was held back. `cut` says that the answer was cut off, and did not end by itself."""
        self._ended, self._cut = True, cut
        return self._advance()

    def _advance(self) -> list[AnswerPart]:
        if self._steps is None:
            self._steps = self._read()
        if next(self._steps, _DONE) is _DONE:
            self._say_held()
        told = len(self._parts) if self._kept is None else self._kept
        parts, self._parts = self._parts[:told], self._parts[told:]
        self._kept = None if self._kept is None else 0
        return parts

    @abstractmethod
    def _read(self) -> Steps[None]:
        """Reads the whole answer."""

    # What parsers are made of.

    def _starts(self, options: Sequence[str]) -> Steps[str | None]:
        """Which of these the held text begins with, the longest of them; nothing is taken. None: with none."""
        while True:
            if not self._ended and any(len(one) > len(self._held) and one.startswith(self._held) for one in options):
                yield
                continue
            return max((one for one in options if self._held.startswith(one)), key=len, default=None)

    def _take(self, text: str) -> None:
        """Takes what the held text begins with."""
        self._held = self._held.removeprefix(text)

    def _upto(self, ends: Sequence[str], say: Callable[[str], None]) -> Steps[str | None]:
        """Says what stands before the first of these ends; returns and takes that.

        None: the answer ended before; of an end that was cut off nothing is shown.
        """
        while True:
            places = [(place, end) for end in ends if (place := self._held.find(end)) >= 0]
            place, end = min(places, default=(len(self._held), None))
            if end is None and (self._cut or not self._ended):
                place -= max(overlap(self._held, one) for one in ends)
            if place:
                say(self._held[:place])
            self._held = self._held[place + len(end or "") :]
            if end is not None or self._ended:
                self._held = self._held if end is not None else ""
                return end
            yield

    # Text.

    def _say(self, text: str) -> None:
        """Passes text on; whitespace alone waits for what comes behind it."""
        if self._spoken or text.strip():
            self._parts.append(TextPiece(self._blank + text))
            self._blank, self._spoken = "", True
        else:
            self._blank += text

    def _text(self, markers: Sequence[str]) -> Steps[str | None]:
        """Says text up to the first of these markers, which is taken; None at the end of the answer."""
        if self._text_is_constrained and self._spoken:
            while not self._ended:
                self._say_held()
                yield
            self._say_held()
        elif self._text_is_constrained:
            yield from self._blanks()
            if marker := (yield from self._starts(markers)):
                self._take(marker)
                return marker
            if self._ended and self._cut and any(marker.startswith(self._held) for marker in markers):
                self._held = ""
            if self._held:
                self._spoken = True
                return (yield from self._text(markers))
        elif marker := (yield from self._upto(markers, self._say)):
            return marker
        if self._blank and self._called is None:
            self._parts.append(TextPiece(self._blank))
        self._blank = ""
        return None

    def _blanks(self) -> Steps[None]:
        """Takes whitespace, which waits."""
        while True:
            rest = self._held.lstrip()
            self._blank += self._held[: len(self._held) - len(rest)]
            self._held = rest
            if rest or self._ended:
                return
            yield

    def _say_held(self) -> None:
        if self._held:
            self._say(self._held)
        self._held = ""

    # Calls.

    def _begin_call(self, tool: ToolName, *, wrapped: bool = False, call_id: str = "") -> None:
        """`wrapped`: what a custom tool takes comes as the one argument of a function, and is passed on as text."""
        self._blank, self._body, self._called, self._wrapped = "", [], tool, wrapped
        self._call_id = self._unused(call_id)
        self._parts.append(CallBegun(tool, call_id=self._call_id))

    def _unused(self, call_id: str) -> str:
        """The id, unless another call has it."""
        own = "" if call_id in self.known_ids else call_id
        self.known_ids.add(own)
        return own

    def _pass(self, piece: str) -> None:
        """More of the call's body."""
        if piece:
            self._body.append(piece)
            if not self._wrapped:
                self._parts.append(CallPiece(piece))

    def _pass_string(self, piece: str) -> None:
        """More of a string in the call's body, which was written as it is."""
        self._pass(json.dumps(piece, ensure_ascii=False)[1:-1])

    def _end_call(self, *, complete: bool) -> None:
        if self._called is None:
            return
        body = "".join(self._body)
        if self._wrapped:
            text = unwrapped(body) if complete else None
            body = body if text is None else text
            self._parts += [CallPiece(body)] if body else []
        self._parts.append(CallEnded(self._called, body, complete=complete, call_id=self._call_id))
        self._spoken = self._wrapped = False

    def _break_call(self) -> Steps[None]:
        """A call whose end never came, or that is malformed: all that follows is in its body as it was written."""
        while True:
            self._pass(self._held)
            self._held = ""
            if self._ended:
                break
            yield
        self._end_call(complete=False)

    def _json_object(self) -> Steps[bool]:
        """Passes on a JSON object as a call's body; False: there is none, or the answer ended within it."""
        depth, quoted, escaped, first = 0, False, False, True
        while True:
            for place, character in enumerate(self._held):
                if first and character != "{":
                    return False
                first = False
                if quoted:
                    quoted = escaped or character != '"'
                    escaped = character == "\\" and not escaped
                elif character == '"':
                    quoted = True
                elif character in "{[":
                    depth += 1
                elif character in "}]":
                    depth -= 1
                if not depth:
                    self._pass(self._held[: place + 1])
                    self._held = self._held[place + 1 :]
                    return True
            self._pass(self._held)
            self._held = ""
            if self._ended:
                return False
            yield


class CallReader(AnswerReader):
    """Finds calls behind markers: text until one of them, and after a call text again."""

    def __init__(self, tools: Sequence[Tool], markers: Sequence[str], *, text_is_constrained: bool = False) -> None:
        super().__init__(text_is_constrained=text_is_constrained)
        self._tools = tools
        self._markers = markers if tools else ()

    def _read(self) -> Steps[None]:
        while self._markers and (marker := (yield from self._text(self._markers))):
            if not (yield from self._calls(marker)) and not self._dropped:
                self._spoken = True
                self._say(marker)
        self._spoken = True
        while not self._ended:
            self._say_held()
            yield

    @abstractmethod
    def _calls(self, marker: str) -> Steps[bool]:
        """Reads what stands behind a marker; False: no call of a tool that is here, then nothing was taken."""

    _dropped = False

    def _opening(self, openings: Mapping[str, ToolName]) -> Steps[ToolName | None]:
        """Takes the beginning of a call, of which an answer that was cut off within it shows nothing."""
        opening = yield from self._starts(tuple(openings))
        if opening is not None:
            self._take(opening)
            return openings[opening]
        if self._cut and any(one.startswith(self._held) for one in openings):
            self._held, self._dropped = "", True
        return None


WRAPPED = "input"
"""The argument of a function that stands for a custom tool."""


def wrapped(text: str) -> str:
    """What a custom tool takes, as the arguments of a function."""
    return json.dumps({WRAPPED: text}, ensure_ascii=False)


def unwrapped(body: str) -> str | None:
    """What a custom tool takes, of such arguments; None: they are none."""
    text: object = as_object(object_in(body)).get(WRAPPED)
    return text if isinstance(text, str) else None
