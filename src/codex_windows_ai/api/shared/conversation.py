"""A caller's history as messages, the same from turn to turn.

A conversation only ever grows, and each turn sends all of it again. What was said before must
render to the same text as the last time, down to the calls as the model wrote them: then the prefix
cache has it, and only what is new is read. So nothing that changes from turn to turn, such as the
ids of items, becomes part of what a format writes.

A history is no request for service: what in it no model here can use is left out or shown as text,
and named, since a client would send it again with every turn and its session would be lost. Only
what is asked now is refused.
"""

from __future__ import annotations

import json

from codex_windows_ai.api.shared.contents import Contents, read_contents
from codex_windows_ai.errors import InvalidRequestError
from codex_windows_ai.protocol.message import Call, Message, Part, Reasoning, Result, Role, Text
from codex_windows_ai.protocol.tools import ToolKind

_ROLES: dict[str, Role] = {"developer": "system", "system": "system", "user": "user", "assistant": "assistant"}


class Conversation:
    """Messages in the making; `left_out` names what became no part of them.

    System messages at the start become one. What an assistant says and calls in a row is one turn,
    as the model wrote it. What calls returned comes in the order of the calls.
    """

    def __init__(self) -> None:
        self.left_out: list[str] = []
        self._opening: list[str] = []
        """The system messages at the start."""
        self._messages: list[Message] = []
        self._turn: list[Part] = []
        self._thought_at = ""
        """The place of what was thought last."""
        self._calls: dict[str, int] = {}
        """The place of each call among all, of which there are `_number`."""
        self._number = 0
        self._results: list[Result] = []
        self._asked_now: InvalidRequestError | None = None
        """What is wrong with the last thing that was asked, as long as nobody answered it or asked anew."""

    def add_message(self, role: object, content: object, *, param: str) -> None:
        """What somebody said; "developer" is the newer name of "system". Any other role is read as the user's."""
        role = role if isinstance(role, str) else json.dumps(role)
        role = role.lower() if role.lower() in _ROLES else role
        contents = read_contents(content, param=f"{param}.content")
        self.left_out += contents.left_out
        if role == "assistant":
            self._asked_now = None
            self._settle_results()
            if contents.text:
                self._turn.append(Text(contents.text))
            return
        self._settle()
        known = _ROLES.get(role, "user")
        if known == "user":
            self._asked_now = self._refusal(role, contents, param)
        if known == "system" and not self._messages:
            self._opening.append(contents.text)
        else:
            self._messages.append(Message(known, contents.text))

    def add_reasoning(self, thought: str, *, param: str) -> None:
        """What the assistant thought before the words or calls that follow; without any it says nothing to anybody."""
        self._asked_now = None
        self._settle_results()
        if thought:
            self._turn.append(Reasoning(thought))
            self._thought_at = param

    def add_call(self, kind: ToolKind, name: str, body: object, *, call_id: object) -> None:
        """A call the assistant made; `name` as the model saw it, `body` its arguments or input.

        A function that was called without arguments was called with none: `{}`. Arguments that were cut off stay as
        the model wrote them.
        """
        self._asked_now = None
        self._settle_results()
        text = body if isinstance(body, str) else "" if body is None else json.dumps(body, ensure_ascii=False)
        if kind == "function" and not text.strip():
            text = "{}"
        self._turn.append(Call(kind, name, text, str(call_id)))
        self._number += 1
        self._calls[str(call_id)] = self._number

    def add_result(self, call_id: object, content: object, *, param: str) -> None:
        """What a call returned, any JSON. One whose call is not here, as after a compaction, is shown all the same."""
        contents = read_contents(content, param=param, result=True)
        self.left_out += contents.left_out
        if str(call_id) not in self._calls:
            self.leave_out(f"{param}: its call is missing")
        self._results.append(Result(contents.text, str(call_id)))

    def leave_out(self, place: str) -> None:
        """Names what becomes no part of the conversation."""
        self.left_out.append(place)

    def messages(self) -> tuple[Message, ...]:
        """All of it.

        Raises InvalidRequestError: what is asked last cannot be answered, such as what is on an image.
        """
        if self._asked_now is not None:
            raise self._asked_now
        self._settle()
        opening = [Message("system", "\n\n".join(self._opening))] if self._opening else []
        return (*opening, *self._messages)

    def _refusal(self, role: str, contents: Contents, param: str) -> InvalidRequestError | None:
        """Why this cannot be answered, if it is what is asked now."""
        if role in _ROLES:
            return contents.unread
        self.leave_out(f"{param}.role")
        return InvalidRequestError(
            f"`{param}.role` must be developer, system, user or assistant, found `{role[:100]}`.", param=f"{param}.role"
        )

    def _settle(self) -> None:
        self._settle_turn()
        self._settle_results()

    def _settle_turn(self) -> None:
        if self._turn and all(isinstance(part, Reasoning) for part in self._turn):
            self.leave_out(self._thought_at)  # no answer came of it
        elif self._turn:
            words = all(isinstance(part, Text) for part in self._turn)
            content = "".join(part.text for part in self._turn if isinstance(part, Text))
            self._messages.append(Message("assistant", content if words else tuple(self._turn)))
        self._turn = []

    def _settle_results(self) -> None:
        if self._results:
            self._settle_turn()
            last = self._number + 1
            ordered = sorted(self._results, key=lambda result: self._calls.get(result.call_id, last))
            self._messages += [Message("tool", (result,)) for result in ordered]
        self._results = []
