"""Text that a format writes in place of a template, among what others wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


class Obeyed(str):
    """The format's own text: control tokens in it are obeyed as a template's are."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Written:
    """Text of a format's own (`Obeyed`), and data of others between."""

    pieces: tuple[str, ...] = ()

    @property
    def obeyed(self) -> bool:
        """Whether any of it is the format's own."""
        return any(isinstance(piece, Obeyed) for piece in self.pieces)

    @property
    def text(self) -> str:
        """All of it."""
        return "".join(self.pieces)


def obeyed(begin: str, body: str, end: str) -> Written:
    """What a caller passes, between the format's own text."""
    return Written((Obeyed(begin), body, Obeyed(end)))


def chained(written: Sequence[Written], separator: str = "") -> Written:
    """One behind the other."""
    pieces: list[str] = []
    for one in written:
        pieces += [Obeyed(separator), *one.pieces] if pieces and separator else one.pieces
    return Written(tuple(pieces))
