"""Between the rows of running sequences and the prefix cache: copies in, copies out."""

from __future__ import annotations

from codex_windows_ai.engine.batch import Batch
from codex_windows_ai.engine.kv_cache import Buffer
from codex_windows_ai.engine.prefix_cache import BLOCK_TOKENS, Block, PrefixCache
from codex_windows_ai.engine.sequence import Sequence


class PrefixExchange:
    """Takes what others computed, gives what this sequence computed."""

    def __init__(self, cache: PrefixCache, batch: Batch) -> None:
        self._cache = cache
        self._batch = batch

    def take(self, sequence: Sequence) -> None:
        """Copies the blocks that follow what is computed, also those another agent made meanwhile.

        At least one token stays to be computed for its logits; of an exact sequence two, as one
        alone would go through another attention kernel.
        """
        spare = 2 if sequence.exact else 1
        while (
            sequence.computed == sequence.blocks * BLOCK_TOKENS
            and sequence.computed + BLOCK_TOKENS + spare <= sequence.prompt_length
        ):
            block = self._cache.next_block(
                sequence.last_block, sequence.tokens, sequence.computed, exact=sequence.exact
            )
            if block is None:
                return
            self._batch.reserve(sequence.prompt_length)
            self._batch.rows.write(sequence.row, sequence.computed, block.storage)
            sequence.advance_cached(BLOCK_TOKENS, exact=block.exact)
            self._follow(sequence, block)
            self._cache.touch(block)

    def cached(self, sequence: Sequence) -> int:
        """How many tokens of its prompt the cache could give a sequence that has none yet."""
        blocks = self._cache.match(sequence.tokens[: sequence.prompt_length - 1], exact=sequence.exact)
        return len(blocks) * BLOCK_TOKENS

    def pass_over(self, sequence: Sequence, tokens: int, *, exact: int) -> None:
        """The first `tokens` need no copy in the sequence's row; the first `exact` of them were prefilled."""
        for block in self._cache.match(sequence.tokens[:tokens], exact=False):
            sequence.advance_cached(BLOCK_TOKENS, exact=sequence.computed + BLOCK_TOKENS <= exact)
            self._follow(sequence, block)
            self._cache.touch(block)

    def give(self, sequence: Sequence) -> None:
        """Offers the cache every block that is complete."""
        while (end := (sequence.blocks + 1) * BLOCK_TOKENS) <= sequence.computed:
            start = end - BLOCK_TOKENS

            def fill(storage: Buffer, start: int = start) -> None:
                self._batch.rows.read(sequence.row, start, storage)

            tokens = tuple(sequence.tokens[start:end])
            block = self._cache.insert(sequence.last_block, tokens, fill, exact=end <= sequence.exact_length)
            if block is None:  # no room now; tried again after the next step
                return
            self._follow(sequence, block)

    def leave(self, sequence: Sequence) -> None:
        """The sequence ends; its blocks may be evicted again."""
        if sequence.last_block is not None:
            self._cache.release(sequence.last_block)
            sequence.last_block = None

    def _follow(self, sequence: Sequence, block: Block) -> None:
        self._cache.reference(block)
        if sequence.last_block is not None:
            self._cache.release(sequence.last_block)
        sequence.last_block = block
        sequence.blocks += 1
