"""Which checkpoints stay: those that would cost most to compute again, and those that are used."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from codex_windows_ai.engine.kv.checkpoints import Checkpoints
from codex_windows_ai.engine.kv.host_pool import HostPool
from codex_windows_ai.engine.kv.pool import BLOCK_TOKENS, KeysAndValues, KVSpec, RecurrentState, StatePart
from codex_windows_ai.engine.kv.prefix_cache import Block, PrefixCache
from tests.engine.invariants import path_of

FLOAT = np.dtype(np.float32)
SPEC = KVSpec((KeysAndValues(heads=1, head_size=1, dtype=FLOAT), RecurrentState((StatePart((4,), FLOAT),))))


class Tree:
    """A prefix cache of paths of blocks, and checkpoints of slot 0, whose state is a number."""

    def __init__(self, room: int, blocks: int = 1000) -> None:
        block_bytes = BLOCK_TOKENS * SPEC.bytes_per_token
        self.pool = HostPool(SPEC, 2**20, blocks * block_bytes, room * SPEC.state_bytes)
        self.pool.reserve(1, 1, kept=())
        self.checkpoints = Checkpoints(self.pool)
        self.cache = PrefixCache(self.pool, self.checkpoints.drop)

    def path(self, *choices: int) -> Block:
        """The block at the end of a path, with those before it; each number is what its tokens are."""
        block: Block | None = None
        for choice in choices:
            block = self.cache.insert(block, (choice,) * BLOCK_TOKENS, lambda _: None, exact=True)
            assert block is not None
        assert block is not None
        return block

    def take(self, *choices: int, state: float = 0, exact: bool = True) -> Block:
        block = self.path(*choices)
        self.pool.states.now[0][0] = state
        self.checkpoints.take(block, BLOCK_TOKENS * len(choices), 0, exact=exact)
        return block

    def state(self, block: Block) -> float:
        assert block.checkpoint is not None
        self.pool.restore_states(block.checkpoint.storage, 0, 1)
        return float(self.pool.states.now[0][0, 0])

    @property
    def lengths(self) -> list[int]:
        """Of all checkpoints, in blocks."""
        return sorted(one.length // BLOCK_TOKENS for one in self.checkpoints.held)


def test_what_costs_least_to_compute_again_leaves_first() -> None:
    tree = Tree(3)
    path = (1, 2, 3, 4, 5, 6, 7, 8)
    for blocks in (4, 5, 8):
        tree.take(*path[:blocks])
    tree.take(9, 9)  # it costs two blocks; the one of five blocks costs one, behind that of four
    assert tree.lengths == [2, 4, 8]
    # What was before the one of eight blocks has left, so that it costs three more.
    assert {one.length: one.saves // BLOCK_TOKENS for one in tree.checkpoints.held} == {32: 2, 64: 4, 128: 4}
    assert tree.checkpoints.evictions == 1


def test_what_is_used_outlives_what_is_not() -> None:
    tree = Tree(2)
    used = tree.take(1, 1, 1)
    tree.take(2, 2)
    for number in range(3, 20):
        assert used.checkpoint is not None
        tree.checkpoints.touch(used.checkpoint)
        tree.take(number, number)
    assert used.checkpoint is not None
    assert tree.lengths == [2, 3]


def test_a_checkpoint_holds_what_was_saved_and_an_exact_one_takes_the_place_of_another() -> None:
    tree = Tree(2)
    block = tree.take(1, 1, state=5, exact=False)
    assert tree.take(1, 1, state=6, exact=False) is block
    assert tree.state(block) == 5
    tree.take(1, 1, state=7)
    tree.take(1, 1, state=8, exact=False)
    assert tree.state(block) == 7
    assert block.checkpoint is not None and block.checkpoint.exact
    assert len(tree.checkpoints) == 1


def test_a_checkpoint_leaves_with_its_block_and_its_memory_is_used_again() -> None:
    tree = Tree(1, blocks=2)
    tree.take(1, state=5)
    tree.path(2, 2)  # for which the cache has no more room than that
    assert len(tree.checkpoints) == 0
    assert tree.state(tree.take(2, 2, state=6)) == 6
    assert tree.checkpoints.evictions == 0


def test_without_room_there_are_none() -> None:
    tree = Tree(0)
    assert tree.take(1).checkpoint is None
    assert tree.lengths == []


paths = st.lists(st.integers(0, 1), min_size=1, max_size=6).map(tuple)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(["take", "drop"]), paths), max_size=40), st.integers(1, 8))
def test_each_knows_the_one_before_it(actions: list[tuple[str, tuple[int, ...]]], room: int) -> None:
    tree = Tree(room)
    for action, choices in actions:
        if action == "take":
            tree.take(*choices)
        else:
            tree.checkpoints.drop(tree.path(*choices))
        assert len(tree.checkpoints) <= room
        for one in tree.checkpoints.held:
            before = [block.checkpoint for block in path_of(one.block)[:-1] if block.checkpoint is not None]
            assert one.before is (before[-1] if before else None)
