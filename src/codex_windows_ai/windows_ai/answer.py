"""The stream of an answer that says who gives it."""

from __future__ import annotations

from collections.abc import Callable

from codex_windows_ai.engine.generation import Generation
from codex_windows_ai.errors import WindowsAiError
from codex_windows_ai.protocol.answer import Delta
from codex_windows_ai.protocol.source import AnswerSource

__all__ = ["Answer", "AnswerObserver", "Piece"]

Piece = Delta | WindowsAiError | None
"""What becomes of an answer: it goes on or ends with a delta, it fails, or (None) its reader leaves or cancels it."""

AnswerObserver = Callable[[Piece], None]
"""Called with each piece in the thread of whoever reads or drops the answer; an answer may be left more than once."""


class Answer(Generation):
    """The stream of an answer that also says who gives it: requests of one runtime can have several sources."""

    def __init__(
        self,
        generation: Generation,
        source: AnswerSource,
        observe: AnswerObserver | None = None,
    ) -> None:
        self._observe = observe or _ignore
        self._generation = generation  # kept, since a generation that nobody holds cancels itself
        super().__init__(generation.stream, generation.cancel, lambda: generation.queue_position, generation.read)
        self.source = source

    def cancel(self) -> None:
        """Ends the request; the stream ends with the finish reason "cancelled"."""
        super().cancel()
        self._observe(None)

    def take(self) -> list[Delta] | None:
        """The pieces that are there, without waiting; None after the last. An error waits for what came before it."""
        try:
            deltas = super().take()
        except WindowsAiError as error:
            self._observe(error)
            raise
        for delta in deltas or ():
            self._observe(delta)
        return deltas

    def __next__(self) -> Delta:
        try:
            delta = super().__next__()
        except WindowsAiError as error:
            self._observe(error)
            raise
        self._observe(delta)
        return delta

    async def __anext__(self) -> Delta:
        try:
            delta = await super().__anext__()
        except WindowsAiError as error:
            self._observe(error)
            raise
        self._observe(delta)
        return delta


def _ignore(piece: Piece) -> None:
    pass
