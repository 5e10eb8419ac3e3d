"""An answer and who gives it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Self

from codex_windows_ai.engine.generation import Generation

__all__ = ["Answer", "AnswerSource", "Refusal"]

Refusal = tuple[str, str]
"""A provider that would have been preferred, and the reason why it does not answer."""


@dataclass(frozen=True, slots=True)
class AnswerSource:
    """Who answers. `refused` names what would have been preferred, each with the reason against it.

    `transport` is how the answer comes: "in-process", "http" or "channel"; of a channel `brokered_by`
    says who made it.
    """

    provider: str
    device: str
    execution_provider: str
    model: str
    transport: str
    refused: tuple[Refusal, ...] = ()
    brokered_by: str | None = None

    def after(self, refused: tuple[Refusal, ...]) -> Self:
        """The same, preferred less than what `refused` names."""
        return replace(self, refused=(*refused, *self.refused))


class Answer(Generation):
    """The stream of an answer that also says who gives it: requests of one runtime can have several sources."""

    def __init__(self, generation: Generation, source: AnswerSource) -> None:
        self._generation = generation  # kept, since a generation that nobody holds cancels itself
        super().__init__(generation.stream, generation.cancel, lambda: generation.queue_position)
        self.source = source
