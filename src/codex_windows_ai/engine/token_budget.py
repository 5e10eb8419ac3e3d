"""Chunked prefill: how much of a prompt is read at a time, so that no sequence waits long for another's prompt.

Sequences that decode wait for the piece that is read in their pass or behind it, and a new request for any piece:
pieces are sized by time, from what the last one took. And a long prompt yields: after each of its pieces, sequences
that decode get as much time as it took. Others do not yield, as reading them soon fills the batch.
"""

from __future__ import annotations


class PrefillBudget:
    """Sizes pieces and keeps account of the time that long prompts owe."""

    SMALLEST_PIECE = 16
    """Smaller ones would spend most of their time on the weights; also what pieces are a multiple of."""
    SMALLEST_ALONE = 64
    """Smaller ones take a third longer for each token; who decodes would feel a larger one, but here nobody does."""
    FIRST_PIECE = 64
    """How much is read before anything is known of the time it takes."""
    SHORT_PROMPT_TOKENS = 256
    """So little is read at once, whatever else waits, if it takes no longer than `SHORT_PROMPT_PARTS` times a piece.

    Two pieces would delay all more than one: pieces a quarter as long take a third longer in all, as each reads the
    weights and the history again.
    """
    SHORT_PROMPT_PARTS = 5
    LONG_PROMPT_TOKENS = 512
    _ALONE = 4
    """So many times as long may be read at once where nobody decodes."""

    def __init__(self, most_tokens: int, seconds: float) -> None:
        self._most_tokens = most_tokens
        self._seconds = seconds
        self._owed_seconds = 0.0
        self._seconds_per_token = 0.0
        """Of the last piece of any prompt; 0 before the first."""

    def seconds(self, *, alone: bool) -> float:
        """What one round spends on reading prompts; more where they are `alone`: no sequence decodes."""
        return self._seconds * (self._ALONE if alone else 1)

    def tokens(self, seconds_per_token: float, seconds: float, remaining: int, *, alone: bool) -> int:
        """Tokens to read in so many seconds, of `remaining` ones of a prompt that took `seconds_per_token` last.

        That is 0 where none of it was read; then it is as for the last prompt. The rest of a short prompt is read at
        once.
        """
        rate = seconds_per_token or self._seconds_per_token
        short = remaining <= min(self.SHORT_PROMPT_TOKENS, self._most_tokens)
        if short and remaining * rate <= self.SHORT_PROMPT_PARTS * self._seconds:
            return remaining
        if rate == 0:
            return min(self.FIRST_PIECE, self._most_tokens)
        smallest = self.SMALLEST_ALONE if alone else self.SMALLEST_PIECE
        return min(max(int(seconds / rate), smallest), self._most_tokens)

    def fits(self, seconds: float, *, alone: bool) -> bool:
        """Whether another piece may begin in a round that has so many seconds left; the first one always may."""
        return seconds > self.seconds(alone=alone) / 2 or seconds == self.seconds(alone=alone)

    def must_yield(self, remaining: int, longest_decoding: int) -> bool:
        """Whether a prompt with so many tokens left lets those that decode go first.

        It need not where theirs were as long: agents that start together soon fill the batch.
        """
        return remaining > max(self.LONG_PROMPT_TOKENS, 2 * longest_decoding) and self._owed_seconds > 0

    def prefilled(self, seconds_per_token: float, tokens: int, remaining: int) -> None:
        """A piece of so many tokens was read, of a prompt that had `remaining` tokens left before it."""
        self._seconds_per_token = seconds_per_token
        if remaining > self.LONG_PROMPT_TOKENS:
            # Not added up: what was read while no sequence decoded is owed to none.
            self._owed_seconds = seconds_per_token * tokens

    def decoded(self, seconds: float) -> None:
        """Those that decode had so much time."""
        self._owed_seconds = max(0.0, self._owed_seconds - seconds)
