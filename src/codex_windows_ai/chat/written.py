"""Text that a format writes in place of a template, among what others wrote."""

from __future__ import annotations

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
