"""Who answers, and who would have been preferred."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

Refusal = tuple[str, str]
"""A provider that would have been preferred, and the reason why it does not answer."""


@dataclass(frozen=True, slots=True)
class AnswerSource:
    """Who answers. `refused` names what would have been preferred, each with the reason against it.

    `transport` is how the answer comes: "in-process", "http" or "channel"; of a channel `brokered_by`
    says who made it. `left_out` names what of a request is not done as asked.
    """

    provider: str
    device: str
    execution_provider: str
    model: str
    transport: str
    refused: tuple[Refusal, ...] = ()
    brokered_by: str | None = None
    left_out: tuple[str, ...] = ()

    def after(self, refused: tuple[Refusal, ...]) -> Self:
        """The same, preferred less than what `refused` names."""
        return replace(self, refused=(*refused, *self.refused))
