"""Chunked prefill: how much of a prompt is read at a time, so that no sequence waits long for another's prompt.

A new request waits for the piece that is being read: pieces are sized by time, from what the
last one took. And a long prompt yields: after each of its pieces, sequences that decode get as much
time as it took. Others do not yield, as reading them soon fills the batch.
"""

from __future__ import annotations


class PrefillBudget:
    """Sizes pieces and keeps account of the time that long prompts owe."""

    SMALLEST_PIECE = 16
    """Smaller ones would spend most of their time on the weights; also what pieces are a multiple of."""
    FIRST_PIECE = 64
    SHORT_PROMPT_TOKENS = 256
    """So little is read at once, whatever else waits: two pieces would delay all more than one.

    Pieces a quarter as long take a third longer in all: each reads the weights and the history again.
    """
    LONG_PROMPT_TOKENS = 512

    def __init__(self, most_tokens: int, seconds: float) -> None:
        self._most_tokens = most_tokens
        self.seconds = seconds
        """What one step spends on reading prompts."""
        self._owed_seconds = 0.0

    def tokens(self, seconds_per_token: float, seconds: float, remaining: int) -> int:
        """Tokens to read in so many seconds of a prompt that took `seconds_per_token` last, 0 if unknown.

        The `remaining` ones of a short prompt are read at once, however long that takes.
        """
        if remaining <= min(self.SHORT_PROMPT_TOKENS, self._most_tokens):
            return remaining
        if seconds_per_token == 0:
            return min(self.FIRST_PIECE, self._most_tokens)
        return min(max(int(seconds / seconds_per_token), self.SMALLEST_PIECE), self._most_tokens)

    def fits(self, seconds: float) -> bool:
        """Whether another piece may begin in a step that has so many seconds left; the first one always may."""
        return seconds > self.seconds / 2 or seconds == self.seconds

    def must_yield(self, remaining: int, longest_decoding: int) -> bool:
        """Whether a prompt with so many tokens left lets those that decode go first.

        It need not where theirs were as long: agents that start together soon fill the batch.
        """
        return remaining > max(self.LONG_PROMPT_TOKENS, 2 * longest_decoding) and self._owed_seconds > 0

    def prefilled(self, seconds: float, remaining: int) -> None:
        """A piece was read in so many seconds, of a prompt that had `remaining` tokens left before it."""
        if remaining > self.LONG_PROMPT_TOKENS:
            # Not added up: what was read while no sequence decoded is owed to none.
            self._owed_seconds = seconds

    def decoded(self, seconds: float) -> None:
        """Those that decode had so much time."""
        self._owed_seconds = max(0.0, self._owed_seconds - seconds)
