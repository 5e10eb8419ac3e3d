"""Draft tokens by prompt lookup: what followed the last few tokens before may follow again.

Source: https://github.com/apoorvumang/prompt-lookup-decoding. The model checks all draft tokens in
one forward pass; each right one saves a pass. Drafting goes on only while it pays.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence


class PromptLookup:
    """Drafts for one sequence: the longer the match, the longer the draft; none for a while after misses."""

    _KEY_TOKENS = 3
    _CANDIDATES = 8
    LONGEST = 32  # a longer draft costs more memory for its logits than it can save
    _PAUSE_TOKENS = 24

    def __init__(self) -> None:
        self._positions: dict[tuple[int, ...], deque[int]] = {}
        self._indexed = 0
        self._misses = 0
        self._resume_at = 0
        self.drafted = 0
        self.accepted = 0

    def draft(self, tokens: Sequence[int], limit: int) -> list[int]:
        """Up to `limit` tokens that may follow `tokens`; empty where there is no good one."""
        size = len(tokens)
        if limit < 1 or size < self._resume_at or size <= self._KEY_TOKENS:
            return []
        self._index(tokens)
        candidates = self._positions.get(tuple(tokens[size - self._KEY_TOKENS :]), ())
        match, position = max(((self._match(tokens, end), end) for end in candidates), default=(0, 0))
        # A chance match of three tokens is worth three; one of a whole line is worth two lines.
        length = min(2 * match - self._KEY_TOKENS, self.LONGEST, limit)
        return list(tokens[position : min(position + length, size)]) if match else []

    def report(self, drafted: int, accepted: int, size: int) -> None:
        """Learns how a draft fared; `size` is the sequence's length after it."""
        self.drafted += drafted
        self.accepted += accepted
        if accepted:
            self._misses = 0
        else:
            self._misses += 1
            # Each miss in a row doubles the pause: text that does not repeat soon costs nothing.
            self._resume_at = size + self._PAUSE_TOKENS * (2 ** min(self._misses, 6) - 1)

    def _match(self, tokens: Sequence[int], end: int) -> int:
        """How many tokens before `end` are those at the end of `tokens`; at most `LONGEST`."""
        size = len(tokens)
        length = self._KEY_TOKENS
        while length < min(end, self.LONGEST) and tokens[end - 1 - length] == tokens[size - 1 - length]:
            length += 1
        return length

    def _index(self, tokens: Sequence[int]) -> None:
        """Notes where each key was followed by something; the newest key has no follower yet."""
        for end in range(max(self._indexed, self._KEY_TOKENS), len(tokens)):
            key = tuple(tokens[end - self._KEY_TOKENS : end])
            self._positions.setdefault(key, deque(maxlen=self._CANDIDATES)).append(end)
        self._indexed = len(tokens)
