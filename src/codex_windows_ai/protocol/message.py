"""The turns of a conversation, and the parts that they are made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from codex_windows_ai.protocol.tools import ToolKind

Role = Literal["system", "user", "assistant", "tool"]


@dataclass(frozen=True, slots=True)
class Text:
    """Words."""

    text: str
    type: Literal["text"] = "text"


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What an assistant thought before it answered."""

    text: str
    type: Literal["reasoning"] = "reasoning"


@dataclass(frozen=True, slots=True)
class Call:
    """A call that an assistant made; `name` is the qualified one, `body` its arguments (JSON text) or its input."""

    kind: ToolKind
    name: str
    body: str
    call_id: str
    type: Literal["call"] = "call"


@dataclass(frozen=True, slots=True)
class Result:
    """What a call returned."""

    text: str
    call_id: str
    type: Literal["result"] = "result"


@dataclass(frozen=True, slots=True)
class Image:
    """Where an image stood; no model here sees it."""

    media_type: str = ""
    type: Literal["image"] = "image"


Part = Text | Reasoning | Call | Result | Image


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation. Its text is data: special tokens in it are never obeyed.

    `content` is words alone, or parts in their order: an assistant's calls among its words, what a call returned
    in a turn of the role "tool".
    """

    role: Role
    content: str | tuple[Part, ...]

    @property
    def parts(self) -> tuple[Part, ...]:
        """Its parts; words alone are one."""
        return (Text(self.content),) if isinstance(self.content, str) else self.content

    @property
    def text(self) -> str:
        """All that it says in words, what a call returned included."""
        return "".join(part.text for part in self.parts if isinstance(part, Text | Result))
