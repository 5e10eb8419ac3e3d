"""Between the rows of running sequences and the prefix cache: copies in, copies out."""

from __future__ import annotations

from codex_windows_ai.engine.kv.host_pool import Buffer
from codex_windows_ai.engine.kv.prefix_cache import BLOCK_TOKENS, Block, PrefixCache
from codex_windows_ai.engine.kv.slots import Slots
from codex_windows_ai.engine.sequence import Sequence


class PrefixMatcher:
    """Takes what others computed, gives what this sequence computed."""

    def __init__(self, cache: PrefixCache, batch: Slots) -> None:
        self._cache = cache
        self._batch = batch

    def take(self, sequence: Sequence) -> None:
        """Copies what follows what is computed, also what another agent made meanwhile: blocks, and the first
        tokens of one that goes on otherwise.

        At least one token stays to be computed for its logits; of an exact sequence two, as one
        alone would go through another attention kernel.
        """
        wanted = sequence.tokens[: min(sequence.prompt_length, sequence.given_length - (2 if sequence.exact else 1))]
        while sequence.computed == sequence.blocks * BLOCK_TOKENS:
            found = self._cache.beginning(sequence.last_block, wanted, sequence.computed, exact=sequence.exact)
            if found is None:
                return
            block, tokens = found
            self._batch.reserve(sequence.prompt_length)
            self._batch.rows.write(sequence.row, sequence.computed, block.storage[:, :, :, :tokens])
            sequence.advance_cached(tokens, exact=block.exact)
            self._cache.touch(block)
            if tokens == BLOCK_TOKENS:
                self._follow(sequence, block)

    def cached(self, sequence: Sequence) -> list[Block]:
        """The blocks that the cache could give a sequence that has none yet."""
        return self._cache.match(sequence.tokens[: sequence.prompt_length - 1], exact=sequence.exact)

    def pass_over(self, sequence: Sequence, tokens: int, *, exact: int) -> None:
        """The first `tokens` need no copy in the sequence's row; the first `exact` of them were prefilled."""
        for block in self._cache.match(sequence.tokens[:tokens], exact=False):
            sequence.advance_cached(BLOCK_TOKENS, exact=sequence.computed + BLOCK_TOKENS <= exact)
            self._follow(sequence, block)
            self._cache.touch(block)

    def give(self, sequence: Sequence) -> None:
        """Offers the cache every block that is complete."""
        while (end := (sequence.blocks + 1) * BLOCK_TOKENS) <= sequence.computed:
            block = self._insert(sequence, end - BLOCK_TOKENS, end)
            if block is None:  # no room now; tried again after the next step
                return
            self._follow(sequence, block)

    def leave(self, sequence: Sequence) -> None:
        """The sequence ends: what it has behind its last block is kept, too, and its blocks may be evicted again."""
        self._give_rest(sequence)
        if sequence.last_block is not None:
            self._cache.release(sequence.last_block)
            sequence.last_block = None

    def _give_rest(self, sequence: Sequence) -> None:
        """A conversation goes on where it ended, which is seldom where a block ends."""
        start, end = sequence.blocks * BLOCK_TOKENS, sequence.computed
        if start < end < start + BLOCK_TOKENS:
            exact = end <= sequence.exact_length
            found = self._cache.beginning(sequence.last_block, sequence.tokens[:end], start, exact=exact)
            if found is None or found[1] < end - start:
                self._insert(sequence, start, end)

    def _insert(self, sequence: Sequence, start: int, end: int) -> Block | None:
        def fill(storage: Buffer) -> None:
            self._batch.rows.read(sequence.row, start, storage[:, :, :, : end - start])

        tokens = tuple(sequence.tokens[start:end])
        return self._cache.insert(sequence.last_block, tokens, fill, exact=end <= sequence.exact_length)

    def _follow(self, sequence: Sequence, block: Block) -> None:
        self._cache.reference(block)
        if sequence.last_block is not None:
            self._cache.release(sequence.last_block)
        sequence.last_block = block
        sequence.blocks += 1
