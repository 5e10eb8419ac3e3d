"""What everything that can answer has in common: the engine, Windows' own language model, an app's action."""

from __future__ import annotations

from typing import Protocol

from codex_windows_ai.engine.generation import Generation
from codex_windows_ai.protocol.request import GenerationRequest
from codex_windows_ai.protocol.source import AnswerSource

__all__ = ["Provider"]


class Provider(Protocol):
    """Something that answers requests, and that is ready to."""

    @property
    def source(self) -> AnswerSource:
        """Who answers."""
        ...

    def stream(self, request: GenerationRequest) -> Generation:
        """Begins to answer.

        Raises UnsupportedRequestError at once where the request asks for what this provider cannot do: nothing
        in a request is ever ignored. Raises InvalidRequestError, EngineBusyError as the engine does.
        """
        ...

    def count_tokens(self, request: GenerationRequest) -> int:
        """How many tokens its prompt has, about as many where nobody counts them.

        Raises as `stream`, but for the queue.
        """
        ...

    def close(self) -> None:
        """Lets go of the model; what still runs ends with an error. Blocks until that is done."""
        ...
