"""Between slots with recurrent states and the prefix cache: a prefix is matched as far as a checkpoint lies.

Keys and values of more may be cached; they tell where prompts part, and are computed again. Checkpoints are taken
where prompts go on differently: before turns end, where the prompt itself ends, where another request is seen to part
from this one, and where much was read since the last one. What one reads ahead for others, who wait for the same
tokens, reaches them so, too.
"""

from __future__ import annotations

from codex_windows_ai.engine.kv.checkpoints import GRID_TOKENS, LEAST_TOKENS, Checkpoint, Checkpoints
from codex_windows_ai.engine.kv.pool import BLOCK_TOKENS
from codex_windows_ai.engine.kv.prefix_cache import Block, PrefixCache
from codex_windows_ai.engine.kv.prefix_matching import PrefixMatcher
from codex_windows_ai.engine.kv.slots import Slots
from codex_windows_ai.engine.sequence import Phase, Sequence

_EVERY = 1024
"""Tokens without a checkpoint, at most, of a prompt that is read."""


class StateMatcher(PrefixMatcher):
    """A `PrefixMatcher` for models with recurrent states; turns end with the tokens `ends`."""

    def __init__(self, cache: PrefixCache, slots: Slots, checkpoints: Checkpoints, ends: frozenset[int]) -> None:
        super().__init__(cache, slots)
        self._checkpoints = checkpoints
        self._ends = ends

    def match_blocks(self, sequence: Sequence) -> None:
        """Copies keys, values and states from the farthest checkpoint on the sequence's way, if it is ahead.

        At least one token stays to be computed for its logits.
        """
        wanted = sequence.tokens[: min(sequence.prompt_length, sequence.given_length - 1)]
        path: list[Block] = []
        found: tuple[Checkpoint, list[Block]] | None = None
        last, start = sequence.last_block, sequence.blocks * BLOCK_TOKENS
        while True:
            block = self._cache.next_block(last, wanted, start, exact=sequence.exact)
            shorter = self._cache.shorter_blocks(last, wanted, start)
            for one in (*shorter, block):
                if one is not None and (checkpoint := self._usable(one, sequence)):
                    found = checkpoint, [*path, one]
            if block is None:
                break
            path.append(block)
            last, start = block, start + BLOCK_TOKENS
        if found is not None:
            self._follow(sequence, *found)
        sequence.branch = max(sequence.branch, start // GRID_TOKENS * GRID_TOKENS)

    def cached_blocks(self, sequence: Sequence) -> list[Block]:
        """None: a prefix that is attached has no states."""
        return []

    def insert_blocks(self, sequence: Sequence) -> None:
        """Inserts every block that is complete, and takes a checkpoint where it pays."""
        super().insert_blocks(sequence)
        if sequence.phase is Phase.PREFILL and self._pays(sequence):
            self._take(sequence)

    def unlock_blocks(self, sequence: Sequence) -> None:
        """The sequence ends: its next turn may go on where it does, if its states are whole."""
        if sequence.computed >= sequence.checkpointed + LEAST_TOKENS:
            self._take(sequence)
        super().unlock_blocks(sequence)

    def _usable(self, block: Block, sequence: Sequence) -> Checkpoint | None:
        found = block.checkpoint
        if found is None or found.length <= sequence.computed or (sequence.exact and not found.exact):
            return None
        return found

    def _follow(self, sequence: Sequence, checkpoint: Checkpoint, path: list[Block]) -> None:
        pool = self._slots.pool
        self._slots.reserve(sequence.prompt_length)
        exact = checkpoint.exact and all(block.exact for block in path)
        for block in path:
            pool.copy_in(block.storage, sequence.slot, sequence.blocks * BLOCK_TOKENS, len(block.tokens))
            if len(block.tokens) == BLOCK_TOKENS:
                self._lock(sequence, block)
        pool.restore_states(checkpoint.storage, sequence.slot, checkpoint.length)
        sequence.advance_cached(checkpoint.length - sequence.computed, exact=exact)
        sequence.checkpointed = checkpoint.length
        self._cache.touch(checkpoint.block)
        self._checkpoints.touch(checkpoint)

    def _pays(self, sequence: Sequence) -> bool:
        at, end = sequence.computed, sequence.next_piece_end
        if at == sequence.turn_end:
            return True
        if at % GRID_TOKENS:
            return False
        ends = end >= sequence.given_length or not self._ends.isdisjoint(sequence.tokens[at:end])
        return (
            (ends and end != sequence.turn_end)  # where it is cut is better
            or at == sequence.branch
            or at - sequence.checkpointed >= _EVERY
            or any(self._parts(other, sequence, end) for other in self._slots.prefilling)
        )

    @staticmethod
    def _parts(other: Sequence, sequence: Sequence, end: int) -> bool:
        """Whether another prompt that is being read has no use for what this one reads next, up to `end`."""
        at, tokens = sequence.computed, sequence.tokens
        if other.computed >= at or not other.begins_with(tokens[:at]):
            return False
        return not other.begins_with(tokens[:end]) or (other.exact and end % GRID_TOKENS > 0)

    def _take(self, sequence: Sequence) -> None:
        """Takes a checkpoint where the sequence is."""
        at, start = sequence.computed, sequence.blocks * BLOCK_TOKENS
        if not at or self._slots.pool.state_length(sequence.slot) != at:
            return  # a pass over it failed
        block = sequence.last_block if at == start else None
        if start < at < start + BLOCK_TOKENS:
            block = self._insert(sequence, start, at)
        if block is not None:  # else there was no room for what it would hang on
            self._checkpoints.take(block, at, sequence.slot, exact=sequence.exact_length == at)
            sequence.checkpointed = at
