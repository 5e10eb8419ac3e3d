"""Copies of recurrent states, each behind the tokens that a block of the prefix cache ends with.

Keys and values are there for every token, but a layer with a state remembers only the last one: a sequence can go on
where a checkpoint was taken, and nowhere else. A checkpoint takes the memory of some thousand tokens' keys and values
and the time of less than one token, so memory decides how many there are. Each is worth the tokens that would have to
be read again without it: those behind the nearest one before it. The least worth goes first, and what is not used
loses worth as others go (GreedyDual; Young, "The k-server dual and loose competitiveness for paging", Algorithmica
1994). What is worth keeping for hybrids is studied in Marconi (arXiv 2411.19379).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codex_windows_ai.engine.kv.pool import CheckpointId, KVPool
    from codex_windows_ai.engine.kv.prefix_cache import Block

GRID_TOKENS = 64
"""Prompts of models with states are read in pieces from one multiple of this to the next, whatever else runs.

Attention with large heads gives other bits for other cuts; these are the same for all prompts that begin alike.
"""
LEAST_TOKENS = 16
"""What a checkpoint saves at least, or it is not taken; also what a piece has at least that leaves the grid."""


class Checkpoint:
    """The states behind the first `length` tokens of the path that `block` ends."""

    __slots__ = ("base", "before", "block", "exact", "length", "storage")

    def __init__(
        self, block: Block, length: int, storage: CheckpointId, before: Checkpoint | None, *, exact: bool
    ) -> None:
        self.block = block
        self.length = length
        self.storage = storage
        self.exact = exact
        """The tokens were read on the grid, on nothing but such tokens."""
        self.before = before
        """The nearest one before it on the same path."""
        self.base = 0

    @property
    def saves(self) -> int:
        """The tokens that would have to be read again without it."""
        return self.length - (self.before.length if self.before is not None else 0)

    @property
    def worth(self) -> int:
        """In tokens, on top of what the last one evicted was worth when this one was last used."""
        return self.base + self.saves


class Checkpoints:
    """All checkpoints of a pool, within its budget for them; each hangs on its block and leaves with it."""

    def __init__(self, pool: KVPool) -> None:
        self._pool = pool
        self._held: list[Checkpoint] = []
        self._clock = 0
        self.evictions = 0

    def __len__(self) -> int:
        return len(self._held)

    @property
    def held(self) -> tuple[Checkpoint, ...]:
        """All that there are."""
        return tuple(self._held)

    def take(self, block: Block, length: int, slot: int, *, exact: bool) -> None:
        """Copies a slot's states, which are behind `length` tokens, of which `block` has the last.

        An exact one takes the place of one that is not. Nothing is kept where the budget is too small for a single one.
        """
        held = block.checkpoint
        if held is None:
            storage = self._allocate()
            if storage is None:
                return
            held = block.checkpoint = Checkpoint(block, length, storage, _before(block), exact=exact)
            for other in self._held:
                if other.before is held.before and _follows(other, held):
                    other.before = held
            self._held.append(held)
        elif not exact or held.exact:
            self.touch(held)
            return
        held.exact = exact
        self._pool.save_states(slot, held.storage)
        self.touch(held)

    def touch(self, checkpoint: Checkpoint) -> None:
        """It was used."""
        checkpoint.base = self._clock

    def drop(self, block: Block) -> None:
        """The block leaves the prefix cache, and its checkpoint with it."""
        dropped = block.checkpoint
        if dropped is None:
            return
        block.checkpoint = None
        self._held.remove(dropped)
        self._pool.free_checkpoint(dropped.storage)
        for other in self._held:
            if other.before is dropped:
                other.before = dropped.before

    def _allocate(self) -> CheckpointId | None:
        storage = self._pool.allocate_checkpoint()
        if storage is None and self._held:
            least = min(self._held, key=lambda one: one.worth)
            self._clock = max(self._clock, least.worth)
            self.drop(least.block)
            self.evictions += 1
            storage = self._pool.allocate_checkpoint()
        return storage


def _before(block: Block) -> Checkpoint | None:
    above = block.parent
    while above is not None and above.checkpoint is None:
        above = above.parent
    return None if above is None else above.checkpoint


def _follows(later: Checkpoint, earlier: Checkpoint) -> bool:
    """Whether the path of one leads through the block of the other."""
    block: Block | None = later.block
    while block is not None and block is not earlier.block:
        block = block.parent
    return block is not None
