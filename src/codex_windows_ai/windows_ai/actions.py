"""Actions: the things that this machine can do for a text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from codex_windows_ai.errors import InvalidRequestError
from codex_windows_ai.protocol.request import Message


@dataclass(frozen=True, slots=True)
class ActionInput:
    """One thing that an action takes: its name and kind (`text`, `photo`, `table` …)."""

    name: str
    kind: str


@dataclass(frozen=True, slots=True)
class Action:
    """One thing that can be asked for.

    `built-in` ones are answered by the model that answers prompts; `app` ones by the installed
    `app`, a package family name. Each of the `overloads` is one set of inputs that it takes.
    """

    id: str
    name: str
    description: str
    kind: Literal["built-in", "app"] = "built-in"
    app: str | None = None
    overloads: tuple[tuple[ActionInput, ...], ...] = ((ActionInput("text", "text"),),)
    available: bool = True

    @property
    def takes_one_text(self) -> bool:
        """Whether a text alone is enough."""
        return any([taken.kind for taken in overload] == ["text"] for overload in self.overloads)


GENERATE = Action("generate", "Generate", "Answer a prompt.")
SUMMARISE = Action("summarise", "Summarise", "Shorten a text to what matters.")
REWRITE = Action("rewrite", "Rewrite", "Say the same more clearly.")

BUILT_IN = (GENERATE, SUMMARISE, REWRITE)

_INSTRUCTIONS = {
    SUMMARISE.id: "Summarise the text that the user gives you in a few sentences. Give the summary only.",
    REWRITE.id: "Rewrite the text that the user gives you: the same meaning, clearer words. Give the new text only.",
}


def messages_for(action: str | None, prompt: str, system: str | None = None) -> tuple[Message, ...]:
    """The conversation that asks a language model for a built-in action.

    Raises InvalidRequestError: there is no such action.
    """
    known = [candidate.id for candidate in BUILT_IN]
    if action is not None and action not in known:
        raise InvalidRequestError(f"There is no action {action!r} on this machine; there are: {', '.join(known)}.")
    instruction = "\n\n".join(part for part in (system, _INSTRUCTIONS.get(action or GENERATE.id)) if part)
    user = Message("user", prompt)
    return (Message("system", instruction), user) if instruction else (user,)
