"""How much of a prompt is read at a time, so that nobody waits long for somebody else's prompt.

Whoever arrives waits for the piece that is being read: pieces are sized by time, from what the
last one took. And a long prompt yields: after each of its pieces, sequences that decode get as much
time as it took. Short prompts do not yield, as reading them soon fills the batch.
"""

from __future__ import annotations

from codex_windows_ai.engine.prefix_cache import BLOCK_TOKENS


class PrefillPacer:
    """Sizes pieces and keeps account of the time that long prompts owe."""

    PIECE_SECONDS = 0.1
    LONG_PROMPT_TOKENS = 512

    def __init__(self, most_tokens: int) -> None:
        self._most_tokens = most_tokens
        self._seconds_per_token = 0.0
        self._owed_seconds = 0.0

    def piece(self) -> int:
        """Tokens to read in one step; at least a block, as smaller pieces waste the pass over the weights."""
        if self._seconds_per_token * self._most_tokens <= self.PIECE_SECONDS:
            return self._most_tokens
        return max(int(self.PIECE_SECONDS / self._seconds_per_token), min(BLOCK_TOKENS, self._most_tokens))

    def must_yield(self, remaining: int) -> bool:
        """Whether a prompt with so many tokens left lets those that decode go first."""
        return remaining > self.LONG_PROMPT_TOKENS and self._owed_seconds > 0

    def prefilled(self, tokens: int, seconds: float, remaining: int) -> None:
        """A piece was read, of a prompt that had `remaining` tokens left before it."""
        if tokens >= BLOCK_TOKENS:  # a few tokens take as long as a block, and would say that all are slow
            self._seconds_per_token = seconds / tokens
        if remaining > self.LONG_PROMPT_TOKENS:
            # Not added up: what was read while nobody decoded is owed to nobody.
            self._owed_seconds = seconds

    def decoded(self, seconds: float) -> None:
        """Those that decode had so much time."""
        self._owed_seconds = max(0.0, self._owed_seconds - seconds)
