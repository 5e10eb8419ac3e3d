"""Messages as the turns that a chat template takes: calls and their results as it wants them (`call_style.py`).

Where the template writes calls in the form of the model's format, it is given them as they are. Else the format spells
them in the assistant's words, and a result is a user's turn where the template knows no other.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from codex_windows_ai.chat.call_style import CallStyle, call_entry
from codex_windows_ai.chat.written import Written
from codex_windows_ai.protocol.json_values import object_in
from codex_windows_ai.protocol.message import Call, Image, Message, Part, Reasoning, Result, Text

Turns = list[dict[str, Any]]

_IDENTIFIER = re.compile(r"[A-Za-z0-9]{9}")
_ALPHABET = "0123456789abcdefghijklmnopqrstuvwxyz"


@dataclass(frozen=True, slots=True)
class TurnWriter:
    """Makes turns of messages for one model's template."""

    style: CallStyle
    spell: Callable[[Sequence[Call]], Written] | None
    """Calls that follow on each other, as the model writes them; None: only the template can write them."""
    native: bool
    """The template writes calls in the form of the format."""
    separator: str = ""
    """What the template puts between words and a call, and so need not stand in the words."""
    join: Callable[[str, str], tuple[str, dict[str, Any]]] | None = None
    """Of reasoning and words beside calls, the words, and what else the turn has."""
    alternates: bool = False
    """The template wants a user's turn between two of the assistant's."""
    spells_words: bool = False
    """Words that the template would leave out beside calls stay with them, which are spelled."""
    takes_results: bool = True
    """What a call returned may be a turn of the role `tool`."""
    dress: Callable[[dict[str, Any], Message], dict[str, Any]] = lambda turn, message: turn
    """Adds to an assistant's turn what else the template wants of its message, such as what was thought."""

    def turns(self, messages: Sequence[Message]) -> Turns:
        """The turns of a conversation."""
        turns: Turns = []
        named: dict[str, str] = {}
        for message in _in_order(messages) if self.native and not self.style.several else messages:
            calls = [part for part in message.parts if isinstance(part, Call)]
            named |= {call.call_id: call.name for call in calls}
            if message.role == "tool":
                turns += self._results(message, named)
            elif calls and self._natively(message, calls):
                turns += self._calling(message, calls)
            else:
                turns.append(self.dress({"role": message.role, "content": self._spelled(message)}, message))
        return turns

    def _natively(self, message: Message, calls: Sequence[Call]) -> bool:
        if not self.native or self.spell is None:
            return self.native
        if self.spells_words and not self.style.keeps_words and message.text.strip():
            return False
        return all(call.kind == "function" and _as_object(call.body) is not None for call in calls)

    def _calling(self, message: Message, calls: Sequence[Call]) -> Iterator[dict[str, Any]]:
        """An assistant's turn with calls; words that the template would leave out stand in one before it."""
        words = "".join(part.text for part in message.parts if isinstance(part, Text | Result))
        thought = "".join(part.text for part in message.parts if isinstance(part, Reasoning))
        more: dict[str, Any] = {}
        if self.join is not None:
            words, more = self.join(thought, words)
        if not self.style.keeps_words and words.strip():
            yield {"role": "assistant", "content": words}
            if self.alternates:
                yield {"role": "user", "content": ""}
            words = ""
        words = words.removesuffix(self.separator)
        entries = [call_entry(call.name, self._arguments(call), identifier(call.call_id)) for call in calls]
        content = words if words.strip() else self.style.empty
        yield self.dress({"role": "assistant", "content": content, "tool_calls": entries, **more}, message)

    def _arguments(self, call: Call) -> Any:
        if self.style.arguments == "text":
            return call.body or "{}"
        arguments = _as_object(call.body)
        return {"arguments": call.body} if arguments is None else arguments

    def _results(self, message: Message, named: dict[str, str]) -> Iterator[dict[str, Any]]:
        for part in message.parts:
            if not isinstance(part, Text | Result):
                continue
            call_id = part.call_id if isinstance(part, Result) else ""
            if self.takes_results and (call_id in named or not self.native):
                named_as = {"name": named[call_id]} if call_id in named else {}
                yield {"role": "tool", "content": part.text, "tool_call_id": identifier(call_id), **named_as}
            else:
                yield {"role": "user", "content": f"<tool_response>\n{part.text}\n</tool_response>"}

    def _spelled(self, message: Message) -> str | Written:
        written = spelled(message.parts, self.spell)
        return written if written.obeyed else written.text


def spelled(parts: Sequence[Part], spell: Callable[[Sequence[Call]], Written] | None) -> Written:
    """Words, with calls among them as the model writes them; it neither reads here what was thought before nor sees."""
    pieces: list[str] = []
    run: list[Call] = []
    for part in (*parts, None):
        if isinstance(part, Call):
            run.append(part)
        if isinstance(part, Call | Reasoning | Image):
            continue
        if run and spell is not None:
            pieces += spell(run).pieces
        run = []
        if part is not None:
            pieces.append(part.text)
    return Written(tuple(pieces))


def identifier(call_id: str) -> str:
    """A call's id as all templates take it: nine letters or digits, the same for the same call."""
    if _IDENTIFIER.fullmatch(call_id):
        return call_id
    number = int.from_bytes(hashlib.sha256(call_id.encode("utf-8", "surrogatepass")).digest()[:8], "big")
    return "".join(_ALPHABET[number // 36**place % 36] for place in range(9))


def _as_object(body: str) -> dict[str, Any] | None:
    """A call's arguments; none are an empty object, and what is no object is None."""
    return object_in(body) if body.strip() else {}


def _in_order(messages: Sequence[Message]) -> list[Message]:
    """The conversation with one call a turn, and what it returned behind it."""
    ordered: list[Message] = []
    waiting: list[Message] = []  # turns of a call each, for whose results there is a place behind them
    for message in messages:
        calls = [part for part in message.parts if isinstance(part, Call)]
        if message.role == "tool" and waiting:
            for part in message.parts:
                called = part.call_id if isinstance(part, Result) else ""
                owner = next((one for one in waiting if _calls(one, called)), waiting[-1])
                place = next(n for n, one in enumerate(ordered) if one is owner) + 1
                while place < len(ordered) and ordered[place].role == "tool":
                    place += 1
                ordered.insert(place, Message("tool", (part,)))
        elif len(calls) > 1:
            others = tuple(part for part in message.parts if not isinstance(part, Call))
            waiting = [Message("assistant", (call,)) for call in calls]
            waiting[0] = replace(message, content=(*others, calls[0]))
            ordered += waiting
        else:
            waiting = [message] if calls else []
            ordered.append(message)
    return ordered


def _calls(message: Message, call_id: str) -> bool:
    return any(isinstance(part, Call) and part.call_id == call_id for part in message.parts)
