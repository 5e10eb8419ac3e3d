"""How a long step on model files tells how far it is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called often from the thread that works; must return at once.

    `stage` is a word or two for people ("download", "convert", ...); `done` of `total` are bytes or
    tensors. A `total` of 0 means unknown, as while another process does the work.
    """

    def __call__(self, stage: str, done: int, total: int) -> None:
        """Reports that `done` of `total` units of `stage` are finished."""
        ...


def silent(stage: str, done: int, total: int) -> None:
    """A Progress that reports nothing."""
