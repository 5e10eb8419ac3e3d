"""How texts out of model files stand in messages."""

from __future__ import annotations

_MOST_CHARACTERS = 80


def shown(text: str) -> str:
    """A text out of a file as messages show it: quoted, on one line, and not without end."""
    cut = text if len(text) <= _MOST_CHARACTERS else f"{text[:_MOST_CHARACTERS]}…"
    return f"`{cut}`" if cut.isprintable() else repr(cut)
