"""Log-probabilities of the tokens that an answer's text is made of."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from codex_windows_ai.api.openai.chat.response import ContentLogprob, TokenLogprob
from codex_windows_ai.protocol.answer import ChosenToken


class ContentLogprobs:
    """Gives each token out with the text that it completes.

    Text comes later than its tokens where it is held back, and tokens of a tool call or of a stop
    string never become text: so a token is due once its first byte is shown.
    """

    def __init__(self) -> None:
        self._waiting: deque[ChosenToken] = deque()
        self._taken = self._shown = 0
        """Bytes of the tokens given out, and of the text."""

    def push(self, tokens: Iterable[ChosenToken]) -> None:
        """Tokens, in order, as the engine gives them."""
        self._waiting.extend(token for token in tokens if token.token)

    def pop(self, text: str) -> list[ContentLogprob]:
        """The tokens that begin in this next piece of text."""
        self._shown += len(text.encode())
        due: list[ContentLogprob] = []
        while self._waiting and self._taken < self._shown:
            token = self._waiting.popleft()
            self._taken += len(token.token)
            if token.logprob is not None:
                due.append(_described(token, token.logprob))
        return due


def _described(token: ChosenToken, logprob: float) -> ContentLogprob:
    return ContentLogprob(
        token=_shown(token.token),
        bytes=list(token.token),
        logprob=logprob,
        top_logprobs=[
            TokenLogprob(token=_shown(other.token), bytes=list(other.token), logprob=other.logprob)
            for other in token.alternatives
        ],
    )


def _shown(token: bytes) -> str:
    """The token as text; bytes that are half a character are only to be had from `bytes`."""
    return token.decode(errors="replace")
