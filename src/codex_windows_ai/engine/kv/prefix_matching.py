"""Between the slots of running sequences and the prefix cache: copies in, copies out."""

from __future__ import annotations

from codex_windows_ai.engine.kv.pool import BLOCK_TOKENS, BlockId
from codex_windows_ai.engine.kv.prefix_cache import Block, PrefixCache
from codex_windows_ai.engine.kv.slots import Slots
from codex_windows_ai.engine.sequence import Sequence


class PrefixMatcher:
    """Matches what other sequences computed, inserts what this one computed.

    A sequence locks the last whole block of the path that it follows.
    """

    def __init__(self, cache: PrefixCache, slots: Slots) -> None:
        self._cache = cache
        self._slots = slots

    def match_blocks(self, sequence: Sequence) -> None:
        """Copies what follows what is computed, also what another agent computed meanwhile: blocks, and the first
        tokens of one that goes on otherwise.

        At least one token stays to be computed for its logits; of an exact sequence two, as one
        alone would go through another attention kernel.
        """
        wanted = sequence.tokens[: min(sequence.prompt_length, sequence.given_length - (2 if sequence.exact else 1))]
        while sequence.computed == sequence.blocks * BLOCK_TOKENS:
            found = self._cache.match_start(sequence.last_block, wanted, sequence.computed, exact=sequence.exact)
            if found is None:
                return
            block, tokens = found
            self._slots.reserve(sequence.prompt_length)
            self._slots.pool.copy_in(block.storage, sequence.slot, sequence.computed, tokens)
            sequence.advance_cached(tokens, exact=block.exact)
            self._cache.touch(block)
            if tokens == BLOCK_TOKENS:
                self._lock(sequence, block)

    def cached_blocks(self, sequence: Sequence) -> list[Block]:
        """The blocks that could be copied to a sequence that has none yet."""
        return self._cache.match(sequence.tokens[: sequence.prompt_length - 1], exact=sequence.exact)

    def match_attached(self, sequence: Sequence, tokens: int, *, exact: int) -> None:
        """The first `tokens` are attached and need no copy; the first `exact` of them were prefilled."""
        for block in self._cache.match(sequence.tokens[:tokens], exact=False):
            sequence.advance_cached(BLOCK_TOKENS, exact=sequence.computed + BLOCK_TOKENS <= exact)
            self._lock(sequence, block)
            self._cache.touch(block)

    def insert_blocks(self, sequence: Sequence) -> None:
        """Inserts every block that is complete."""
        while (end := (sequence.blocks + 1) * BLOCK_TOKENS) <= sequence.computed:
            block = self._insert(sequence, end - BLOCK_TOKENS, end)
            if block is None:  # no room now; tried again after the next step
                return
            self._lock(sequence, block)

    def unlock_blocks(self, sequence: Sequence) -> None:
        """The sequence ends: what it has behind its last block is kept, too, and its blocks may be evicted again."""
        self._insert_rest(sequence)
        if sequence.last_block is not None:
            self._cache.unlock(sequence.last_block)
            sequence.last_block = None

    def _insert_rest(self, sequence: Sequence) -> None:
        """A conversation goes on where it ended, which is seldom where a block ends."""
        start, end = sequence.blocks * BLOCK_TOKENS, sequence.computed
        if start < end < start + BLOCK_TOKENS:
            exact = end <= sequence.exact_length
            found = self._cache.match_start(sequence.last_block, sequence.tokens[:end], start, exact=exact)
            if found is None or found[1] < end - start:
                self._insert(sequence, start, end)

    def _insert(self, sequence: Sequence, start: int, end: int) -> Block | None:
        def fill(block: BlockId) -> None:
            self._slots.pool.copy_out(sequence.slot, start, block, end - start)

        tokens = tuple(sequence.tokens[start:end])
        return self._cache.insert(sequence.last_block, tokens, fill, exact=end <= sequence.exact_length)

    def _lock(self, sequence: Sequence, block: Block) -> None:
        self._cache.lock(block)
        if sequence.last_block is not None:
            self._cache.unlock(sequence.last_block)
        sequence.last_block = block
        sequence.blocks += 1
