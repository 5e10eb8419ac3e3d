"""JSON that others wrote: where an object should be, anything may come."""

from __future__ import annotations

import json
from typing import Any, cast


def as_object(value: object) -> dict[str, Any]:
    """The object that a value is; an empty one where it is something else."""
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}


def object_in(text: str | bytes) -> dict[str, Any] | None:
    """The object that a JSON text holds; None where it holds none, or is no JSON."""
    try:
        content: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", content) if isinstance(content, dict) else None
