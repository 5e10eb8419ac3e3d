"""The names that people and programs have for one model."""

from __future__ import annotations

from collections.abc import Iterable


def match_name(asked: str, names: Iterable[str]) -> str | None:
    """The one of these names that is asked for; None where none is, or several could be.

    Clients have them in other letters, with the tag of Ollama's newest (`:latest`), or behind a vendor (`qwen/…`).
    """
    known = list(names)
    if asked in known:
        return asked
    found = [name for name in known if _plain(name) == _plain(asked)]
    return found[0] if len(found) == 1 else None


def _plain(name: str) -> str:
    return name.casefold().rpartition("/")[2].removesuffix(":latest")
