"""Prompt-lookup speculation: guess that what followed the last few tokens before follows again.

Source: https://github.com/apoorvumang/prompt-lookup-decoding. The model checks all guesses in one
forward pass; each right one saves a pass. Guessing goes on only while it pays.
"""

from __future__ import annotations

from collections.abc import Sequence


class PromptLookup:
    """Guesses for one sequence, longer while they come true, none for a while when they do not."""

    _KEY_TOKENS = 3
    _SHORTEST = 4
    LONGEST = 32  # a longer draft costs more memory for its logits than it can save
    _PAUSE_TOKENS = 24

    def __init__(self) -> None:
        self._positions: dict[tuple[int, ...], int] = {}
        self._indexed = 0
        self._length = self._SHORTEST
        self._misses = 0
        self._resume_at = 0
        self.drafted = 0
        self.accepted = 0

    def draft(self, tokens: Sequence[int], limit: int) -> list[int]:
        """Up to `limit` tokens that may follow `tokens`; empty where there is no good guess."""
        size = len(tokens)
        if limit < 1 or size < self._resume_at or size <= self._KEY_TOKENS:
            return []
        self._index(tokens)
        position = self._positions.get(tuple(tokens[size - self._KEY_TOKENS :]))
        if position is None:
            return []
        return list(tokens[position : min(position + min(self._length, limit), size)])

    def report(self, drafted: int, accepted: int, size: int) -> None:
        """Learns how a draft fared; `size` is the sequence's length after it."""
        self.drafted += drafted
        self.accepted += accepted
        if accepted == drafted:
            self._length = min(2 * self._length, self.LONGEST)
            self._misses = 0
        elif accepted > 1:
            self._length = max(self._SHORTEST, accepted)
            self._misses = 0
        else:
            self._length = self._SHORTEST
            self._misses += 1
            # Each miss in a row doubles the pause: text that does not repeat soon costs nothing.
            self._resume_at = size + self._PAUSE_TOKENS * (2 ** min(self._misses, 5) - 1)

    def _index(self, tokens: Sequence[int]) -> None:
        """Notes where each key was last followed by something; the newest key has no follower yet."""
        for end in range(max(self._indexed, self._KEY_TOKENS), len(tokens)):
            self._positions[tuple(tokens[end - self._KEY_TOKENS : end])] = end
        self._indexed = len(tokens)
