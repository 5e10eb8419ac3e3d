"""What a model thinks as an item of a response.

The text stands in the item's `summary` where the client asks for one, since what small models think is short and nobody
is here to sum it up; else in its `content`. It is not sent twice.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from codex_windows_ai.api.shared.seal import ReasoningSeal

_Said = tuple[str, dict[str, Any]]
"""An event's type and what it says, but for the item's place."""


@dataclass(frozen=True, slots=True)
class _Form:
    """Where an item has its text, and the events about it."""

    field: str
    part: str
    index: str
    added: str
    text: str
    done: str


_SUMMARY = _Form(
    "summary",
    "summary_text",
    "summary_index",
    "response.reasoning_summary_part.added",
    "response.reasoning_summary_text",
    "response.reasoning_summary_part.done",
)
_CONTENT = _Form(
    "content",
    "reasoning_text",
    "content_index",
    "response.content_part.added",
    "response.reasoning_text",
    "response.content_part.done",
)


class ReasoningItem:
    """One item as it is filled; `seal` where the client sends it back, and nothing of it is kept here."""

    def __init__(self, item_id: str, *, summarises: bool, seal: ReasoningSeal | None) -> None:
        self._form = _SUMMARY if summarises else _CONTENT
        self._seal = seal
        self.item: dict[str, Any] = {"id": item_id, "type": "reasoning", "status": "in_progress", "summary": []}
        if not summarises:
            self.item["content"] = []
        if seal is not None:
            self.item["encrypted_content"] = None

    def open(self) -> list[_Said]:
        """The events before its text."""
        opened = ("response.output_item.added", {"item": dict(self.item)})
        part = {"type": self._form.part, "text": ""}
        self.item[self._form.field] = [part]
        return [opened, (self._form.added, {**self._place, "part": dict(part)})]

    def add(self, text: str) -> _Said:
        """More of its text."""
        self._part["text"] += text
        return f"{self._form.text}.delta", {**self._place, "delta": text}

    def close(self, *, status: str) -> list[_Said]:
        """The events behind its text."""
        text = self._part["text"]
        self.item["status"] = status
        if self._seal is not None:
            self.item["encrypted_content"] = self._seal.seal(text)
        return [
            (f"{self._form.text}.done", {**self._place, "text": text}),
            (self._form.done, {**self._place, "part": self._part}),
            ("response.output_item.done", {"item": self.item}),
        ]

    @property
    def _part(self) -> dict[str, Any]:
        return self.item[self._form.field][0]

    @property
    def _place(self) -> dict[str, Any]:
        return {"item_id": self.item["id"], self._form.index: 0}
