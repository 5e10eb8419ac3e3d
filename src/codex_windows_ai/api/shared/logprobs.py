"""Log probabilities of the tokens that an answer's text is made of, in the shape that both of OpenAI's APIs have."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import Any

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

    def pop(self, text: str) -> list[dict[str, Any]]:
        """The tokens that begin in this next piece of text: `{token, bytes, logprob, top_logprobs}` each."""
        self._shown += len(text.encode())
        due: list[dict[str, Any]] = []
        while self._waiting and self._taken < self._shown:
            token = self._waiting.popleft()
            self._taken += len(token.token)
            if token.logprob is not None:
                alternatives = [_described(other.token, other.logprob) for other in token.alternatives]
                due.append({**_described(token.token, token.logprob), "top_logprobs": alternatives})
        return due


def _described(token: bytes, logprob: float) -> dict[str, Any]:
    """A token; as text, bytes that are half a character are only to be had from `bytes`."""
    return {"token": token.decode(errors="replace"), "bytes": list(token), "logprob": logprob}
