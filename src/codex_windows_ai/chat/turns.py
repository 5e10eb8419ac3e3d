"""The turns that a chat template takes: some want user and assistant to alternate, some know no system message.

What a template refuses is tried once for each model, on a few words, and then done alike for every conversation:
decided turn by turn, a conversation would begin otherwise than the last time, and be read again from its start. For
the same reason a system message that comes late stays where it came, as words of the user: put to the front, it
would change the beginning of the prompt. No words are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from codex_windows_ai.errors import InvalidRequestError, TemplateOverLimitError

Turn = Mapping[str, Any]
_SEPARATOR = "\n\n"


Systems = Literal["anywhere", "first", "never"]


@dataclass(frozen=True, slots=True)
class TurnForm:
    """What a template takes, and how conversations are brought into that form."""

    systems: Systems = "anywhere"
    """Where system messages may stand."""
    neighbours: bool = True
    """Turns of one role may follow each other."""
    assistant_first: bool = True
    """The assistant may have the first word (after the system)."""
    system_alone: bool = True
    """A system message needs no user behind it: some templates write it as a part of the user's turn."""

    def apply(self, turns: Sequence[Turn]) -> list[dict[str, Any]]:
        """The turns in this form; one with more than a role and words is left as it is."""
        formed: list[dict[str, Any]] = []
        pieces: list[list[str]] = []  # of each turn that was joined, put together once
        moved: list[bool] = []
        for turn in turns:
            was_system = turn["role"] == "system" and not self._may_stand(formed)
            placed = {**turn, "role": "user"} if was_system else dict(turn)
            if formed and _joinable(formed[-1], placed) and (not self.neighbours or was_system or moved[-1]):
                pieces[-1].append(placed["content"])
                moved[-1] |= was_system
            else:
                formed.append(placed)
                pieces.append([placed.get("content", "")])
                moved.append(was_system)
        for turn, contents in zip(formed, pieces, strict=True):
            if len(contents) > 1:
                turn["content"] = _SEPARATOR.join(contents)
        if not self.system_alone and [turn["role"] for turn in formed[:2]] in (["system"], ["system", "assistant"]):
            formed[0]["role"] = "user"
        if not self.assistant_first:
            start = int(bool(formed) and formed[0]["role"] == "system")
            if formed[start:] and formed[start]["role"] == "assistant":
                formed.insert(start, {"role": "user", "content": ""})
        return formed

    def _may_stand(self, before: Sequence[Turn]) -> bool:
        """Whether a system message may follow on these turns."""
        return self.systems == "anywhere" or (self.systems == "first" and not before)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is done to conversations, in words."""
        systems = {
            "anywhere": (),
            "first": (
                "The chat template takes a system message at the beginning only: "
                "later ones stand where they came as words of the user.",
            ),
            "never": ("The chat template takes no system message: it stands in the user's turn, before what follows.",),
        }
        alternate = "The chat template wants user and assistant to alternate: neighbours of one role are joined."
        alone = (
            "The chat template writes a system message with a user's only: without one it stands as the user's words."
        )
        begins = "The chat template wants the user first: an empty turn stands before an assistant that begins."
        return (
            *systems[self.systems],
            *(() if self.system_alone or self.systems == "never" else (alone,)),
            *(() if self.neighbours else (alternate,)),
            *(() if self.assistant_first else (begins,)),
        )

    @property
    def stricter(self) -> tuple[TurnForm, ...]:
        """Forms that change more, for a conversation that a template still refuses; from least to most."""
        joined = replace(self, neighbours=False)
        first = replace(joined, systems="never" if self.systems == "never" else "first")
        forms = [joined, first, replace(joined, systems="never")]
        return tuple(dict.fromkeys(form for form in forms if form != self))


def learn_form(render: Callable[[list[dict[str, Any]]], str]) -> TurnForm:
    """The form that a template takes, found by rendering short conversations.

    Raises TemplateOverLimitError: rendering takes too much.
    """

    def written(roles: str) -> tuple[bool, bool]:
        """Whether the template takes turns of these roles, and whether it leaves words out: some do so in silence."""
        names = {"s": "system", "u": "user", "a": "assistant"}
        turns = [{"role": names[role], "content": f"{role}-word-{n}"} for n, role in enumerate(roles)]
        try:
            text = render(turns)
        except TemplateOverLimitError:
            raise
        except InvalidRequestError:
            return False, False
        return True, any(turn["content"] not in text for turn in turns)

    def takes(roles: str) -> bool:
        return written(roles) == (True, False)

    def forgets(roles: str) -> bool:
        return written(roles) == (True, True)

    if not takes("uau"):
        return TurnForm()  # whatever is wrong, these forms do not mend it
    # Mistral Nemo's writes the system message with the last turn, if that is the user's, and forgets it else.
    if not takes("su") or forgets("sua"):
        systems: Systems = "never"
    else:
        systems = "anywhere" if takes("suasu") and takes("suas") else "first"
    return TurnForm(
        systems=systems,
        neighbours=takes("uu") and takes("uaau"),
        assistant_first=takes("au"),
        system_alone=takes("s"),
    )


def _joinable(before: Turn, turn: Turn) -> bool:
    words = all(set(one) == {"role", "content"} and isinstance(one["content"], str) for one in (before, turn))
    return words and before["role"] == turn["role"] != "tool"
