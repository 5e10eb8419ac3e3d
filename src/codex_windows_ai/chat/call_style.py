"""How a chat template takes calls and what they returned, found by having it write one of each.

Templates differ in what they want to be given (arguments as JSON text or as an object, an empty text or none beside
calls) and in what they do with it (words beside calls are left out, several calls are refused or but the first one
forgotten), and say so nowhere. It is found out once for each model, on a few words.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from codex_windows_ai.errors import InvalidRequestError, TemplateOverLimitError

Write = Callable[[Sequence[dict[str, Any]], Sequence[dict[str, Any]]], str]
"""What the template writes of these turns and tools. Raises InvalidRequestError: it refuses them."""

PROBE = "probe_tool"
"""The tool that is called; `PROBE_ARGUMENTS` are passed to it."""
PROBE_ARGUMENTS: dict[str, Any] = {"needle": "hay"}
PROBE_ID = "probecall"
"""Nine letters or digits, as Mistral's templates want them."""

_WORDS, _OUTCOME, _SECOND, _SECOND_ID = "Looking-now.", "what-it-returned", "second_tool", "secondone"
_ASKED = {"role": "user", "content": "Begin."}
_TOOLS = (
    {
        "type": "function",
        "function": {
            "name": "unrelated",
            "description": "Does nothing.",
            "parameters": {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
        },
    },
)


@dataclass(frozen=True, slots=True)
class CallStyle:
    """What a template takes, and what it writes of it."""

    written: str = ""
    """A conversation in which `PROBE` is called with `PROBE_ARGUMENTS`; nothing where it writes no calls."""
    arguments: Literal["text", "object"] = "object"
    """What the arguments are given as. A text is written as it is."""
    empty: str | None = ""
    """What stands for no words beside calls."""
    between: str = ""
    """What is written between words and the name of the tool that is called, where they stand so."""
    keeps_words: bool = False
    """Words beside calls are written, wherever."""
    several: bool = False
    """Several calls in one turn are written."""
    results: bool = False
    """What a call returned is written as a turn of the role `tool`."""


def call_entry(name: str, arguments: Any, call_id: str) -> dict[str, Any]:
    """A call as templates are given it."""
    return {"type": "function", "id": call_id, "function": {"name": name, "arguments": arguments}}


def written_call(write: Write, arguments: dict[str, Any]) -> str:
    """What the template writes of a conversation in which `PROBE` is called with these; nothing where it refuses."""
    turn = {"role": "assistant", "content": "", "tool_calls": [call_entry(PROBE, arguments, PROBE_ID)]}
    try:
        return write([_ASKED, turn], _TOOLS)
    except InvalidRequestError:
        return ""


def learn_calls(write: Write) -> CallStyle:
    """How the template takes calls. Raises TemplateOverLimitError: rendering takes too much."""
    tried = _Tried(write)
    style = _writes_calls(tried)
    result = {"role": "tool", "content": _OUTCOME, "tool_call_id": PROBE_ID, "name": PROBE}
    if not style.written:
        words = {"role": "assistant", "content": _WORDS}
        return replace(style, results=_OUTCOME in tried.write(words, result))
    one = _probe_call(style)
    spoken = tried.write({"role": "assistant", "content": _WORDS, "tool_calls": [one]})
    before, found, _ = spoken.partition(PROBE)
    between = before.rpartition(_WORDS)[2] if found and _WORDS in before else ""
    other = call_entry(_SECOND, one["function"]["arguments"], _SECOND_ID)
    both = tried.write({"role": "assistant", "content": style.empty, "tool_calls": [one, other]})
    turn = {"role": "assistant", "content": style.empty, "tool_calls": [one]}
    return replace(
        style,
        between=between,
        keeps_words=bool(found) and _WORDS in spoken,
        several=PROBE in both and _SECOND in both,
        results=_OUTCOME in tried.write(turn, result),
    )


class _Tried:
    def __init__(self, write: Write) -> None:
        self._write = write

    def write(self, *turns: dict[str, Any]) -> str:
        """What the template writes behind a user's turn; nothing where it refuses."""
        try:
            return self._write([_ASKED, *turns], _TOOLS)
        except TemplateOverLimitError:
            raise
        except InvalidRequestError:
            return ""


def _writes_calls(tried: _Tried) -> CallStyle:
    text = json.dumps(PROBE_ARGUMENTS)
    [(name, value)] = PROBE_ARGUMENTS.items()
    for empty in ("", None):

        def written(arguments: Any, empty: str | None = empty) -> str:
            calls = [call_entry(PROBE, arguments, PROBE_ID)]
            return tried.write({"role": "assistant", "content": empty, "tool_calls": calls})

        as_object, as_text = written(PROBE_ARGUMENTS), written(text)
        objects = PROBE in as_object and value in as_object and repr(PROBE_ARGUMENTS) not in as_object
        if objects and as_text != as_object:
            return CallStyle(as_object, "object", empty)
        if PROBE in as_text and text in as_text and name in as_text:
            return CallStyle(as_text, "text", empty)
    return CallStyle()


def _probe_call(style: CallStyle) -> dict[str, Any]:
    arguments = PROBE_ARGUMENTS if style.arguments == "object" else json.dumps(PROBE_ARGUMENTS)
    return call_entry(PROBE, arguments, PROBE_ID)
