"""Ends a text at the first stop string, also where tokens cut through it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import AnyStr


class StopStrings:
    """Passes text on as soon as it cannot belong to a stop string any more.

    The stop string that is complete first ends the text (the longest, if several end together), so
    that the answer is the same however it was cut into pieces.
    """

    def __init__(self, stop: Sequence[str]) -> None:
        self._stop = tuple(stop)
        self._held: str = ""
        self.found: str | None = None

    def push(self, text: str) -> str:
        """The part of what came so far that may be shown; nothing after a stop string ever is."""
        if not self._stop or self.found:
            return "" if self.found else text
        text = self._held + text
        found = [(position + len(stop), position) for stop in self._stop if (position := text.find(stop)) >= 0]
        if found:
            end, begin = min(found)
            self.found = text[begin:end]
            self._held = ""
            return text[:begin]
        keep = max(overlap(text, stop) for stop in self._stop)
        self._held = text[len(text) - keep :]
        return text[: len(text) - keep]

    def finish(self) -> str:
        """What was held back, when the text ends without a stop string."""
        held, self._held = self._held, ""
        return held


def overlap(text: AnyStr, mark: AnyStr) -> int:
    """Length of the longest end of `text` that may become `mark`: a beginning of it, and not all of it."""
    lengths = range(min(len(text), len(mark) - 1), 0, -1)
    return next((length for length in lengths if text[-length:] == mark[:length]), 0)
