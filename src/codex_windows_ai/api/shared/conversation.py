"""A caller's history as messages, the same from turn to turn.

A conversation only ever grows, and each turn sends all of it again. What was said before must
render to the same text as the last time, down to the calls as the model wrote them: then the prefix
cache has it, and only what is new is read. So nothing that changes from turn to turn, such as the
ids of items, becomes part of what a format writes.
"""

from __future__ import annotations

from typing import cast

from codex_windows_ai.errors import InvalidRequestError
from codex_windows_ai.protocol.message import Call, Message, Part, Result, Role, Text
from codex_windows_ai.protocol.tools import ToolKind

_ROLES: dict[str, Role] = {"developer": "system", "system": "system", "user": "user", "assistant": "assistant"}
_TEXT_PARTS = {"input_text": "text", "output_text": "text", "text": "text", "refusal": "refusal"}


class Conversation:
    """Messages in the making.

    System messages at the start become one. What an assistant says and calls in a row is one turn,
    as the model wrote it. What calls returned comes in the order of the calls.
    """

    def __init__(self) -> None:
        self._messages: list[Message] = []
        self._turn: list[Part] = []
        self._calls: list[str] = []
        self._results: list[Result] = []

    def add_message(self, role: str, text: str, *, param: str) -> None:
        """What somebody said; "developer" is the newer name of "system".

        Raises InvalidRequestError: an unknown role.
        """
        if role not in _ROLES:
            raise InvalidRequestError(
                f"`{param}.role` must be developer, system, user or assistant, found `{role}`.", param=f"{param}.role"
            )
        if role == "assistant":
            self._settle_results()
            if text:
                self._turn.append(Text(text))
            return
        self._settle()
        if _ROLES[role] == "system" and len(self._messages) == 1 and self._messages[0].role == "system":
            self._messages[0] = Message("system", f"{self._messages[0].text}\n\n{text}")
        else:
            self._messages.append(Message(_ROLES[role], text))

    def add_call(self, kind: ToolKind, name: str, body: str, *, call_id: str) -> None:
        """A call the assistant made; `name` as the model saw it, `body` its arguments or input.

        A function that was called without arguments was called with none: `{}`. Arguments that were cut off stay as
        the model wrote them.
        """
        self._settle_results()
        if kind == "function" and not body.strip():
            body = "{}"
        self._turn.append(Call(kind, name, body, call_id))
        self._calls.append(call_id)

    def add_result(self, call_id: str, text: str, *, param: str) -> None:
        """What a call returned.

        Raises InvalidRequestError: no such call was made before.
        """
        if call_id not in self._calls:
            raise InvalidRequestError(
                f"`{param}` is the output of the call `{call_id}`, but no such call comes before it.",
                param=f"{param}.call_id",
            )
        self._results.append(Result(text, call_id))

    def messages(self) -> tuple[Message, ...]:
        """All of it."""
        self._settle()
        return tuple(self._messages)

    def _settle(self) -> None:
        self._settle_turn()
        self._settle_results()

    def _settle_turn(self) -> None:
        if self._turn:
            words = all(isinstance(part, Text) for part in self._turn)
            content = "".join(part.text for part in self._turn if isinstance(part, Text))
            self._messages.append(Message("assistant", content if words else tuple(self._turn)))
        self._turn = []

    def _settle_results(self) -> None:
        if self._results:
            self._settle_turn()
            ordered = sorted(self._results, key=lambda result: self._calls.index(result.call_id))
            self._messages += [Message("tool", (result,)) for result in ordered]
        self._results = []


def read_text(content: object, *, param: str) -> str:
    """The text of a message's content or of a tool's output: a string, or a list of parts.

    Raises InvalidRequestError: names the part that is no text, such as an image.
    """
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise InvalidRequestError(f"`{param}` must be a string or a list of content parts.", param=param)
    pieces: list[str] = []
    for index, item in enumerate(cast("list[object]", content)):
        part = cast("dict[str, object]", item) if isinstance(item, dict) else {}
        kind = str(part.get("type"))
        piece = part.get(_TEXT_PARTS.get(kind, ""))
        if kind not in _TEXT_PARTS:
            raise InvalidRequestError(
                f"`{param}[{index}]` is of the type `{kind}`, which this model does not take; supported: text.",
                hint="Send text only.",
                param=f"{param}[{index}].type",
            )
        if not isinstance(piece, str):
            raise InvalidRequestError(f"`{param}[{index}]` has no text.", param=f"{param}[{index}]")
        pieces.append(piece)
    return "\n".join(pieces)
