"""The content of a message or of a tool's result as text: what is no text leaves a placeholder."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

from codex_windows_ai.api.shared.body import unknown_keys
from codex_windows_ai.errors import InvalidRequestError

_TEXTS = {"refusal": "refusal", "logs": "logs"}
"""Where a part of a type has its text, if not under `text`."""

_PLAIN = ("text", "input_text", "output_text")

_KNOWN = frozenset({"type", "text", "refusal", "annotations", "logprobs", "id", "index"})

_MEDIA = {
    "image": "An image",
    "screenshot": "An image",
    "audio": "Audio",
    "video": "A video",
    "file": "A file",
    "document": "A file",
}
"""What words in a part's type say it is, the first that fits."""


@dataclass(slots=True)
class Contents:
    """Text, and what of the content became no part of it: `left_out` names it by its place.

    `unread` is the error for where it must be read to be answered, as what a user asks now.
    """

    text: str = ""
    left_out: list[str] = field(default_factory=list[str])
    unread: InvalidRequestError | None = None


def read_contents(content: object, *, param: str, result: bool = False) -> Contents:
    """A string, or a list of parts; nothing is the empty text. A tool's `result` may be any JSON, which is its text.

    In a message, a number or an object that is no part leaves its JSON text, and is `unread`.
    """
    if content is None or isinstance(content, str):
        return Contents(content or "")
    parts = cast("list[object]", content if isinstance(content, list) else [content])
    if result and not all(isinstance(part, str) or _has_type(part) for part in parts):
        return Contents(json.dumps(content, ensure_ascii=False))
    read = Contents()
    read.text = "\n".join(
        _read_part(part, f"{param}[{index}]" if parts is content else param, read)
        for index, part in enumerate(parts)
        if part is not None
    )
    return read


def _has_type(item: object) -> bool:
    return isinstance(item, dict) and "type" in item


def _read_part(item: object, param: str, read: Contents) -> str:
    if isinstance(item, str):
        return item
    part = cast("Mapping[str, object]", item if isinstance(item, dict) else {})
    if not _has_type(part) and not isinstance(part.get("text"), str):
        read.left_out.append(param)
        read.unread = read.unread or InvalidRequestError(
            f"`{param}` must be text, or an object with a `type`.", hint="Send text, or a list of parts.", param=param
        )
        return json.dumps(item, ensure_ascii=False)
    kind = str(part.get("type") or "text")
    text = part.get(_TEXTS.get(kind, "text"))
    if isinstance(text, str):
        read.left_out += unknown_keys(part, _KNOWN, param)
        return text
    read.left_out.append(f"{param}: {kind[:100]}")
    if kind in _PLAIN:
        read.unread = read.unread or InvalidRequestError(f"`{param}` has no text.", param=f"{param}.text")
        return ""
    read.unread = read.unread or InvalidRequestError(
        f"`{param}` is of the type `{kind[:100]}`, which this model does not take; supported: text.",
        hint="Send text only.",
        param=f"{param}.type",
    )
    named = part.get("filename")
    name = f" called {named}" if isinstance(named, str) else ""
    what = next((words for word, words in _MEDIA.items() if word in kind), f"Content of the type {kind[:100]}")
    return f"[{what}{name} was here. This model reads text only.]"
