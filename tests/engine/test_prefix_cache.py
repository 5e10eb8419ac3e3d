"""The prefix cache against a dictionary of prefixes, driven at random; and the rules one by one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from codex_windows_ai.engine.kv.host_pool import HostPool
from codex_windows_ai.engine.kv.pool import BLOCK_TOKENS, BlockId, KeysAndValues, KVSpec
from codex_windows_ai.engine.kv.prefix_cache import Block, PrefixCache

SPEC = KVSpec((KeysAndValues(heads=1, head_size=1, dtype=np.dtype(np.float32)),))
BLOCK_BYTES = BLOCK_TOKENS * SPEC.bytes_per_token

Path = tuple[int, ...]


def block_tokens(letter: int) -> tuple[int, ...]:
    """One block's tokens; blocks of different letters share all tokens but the last."""
    return (7,) * (BLOCK_TOKENS - 1) + (letter,)


def spell(path: Path) -> list[int]:
    return [token for letter in path for token in block_tokens(letter)]


def path_of(block: Block) -> Path:
    own = (block.tokens[-1],)
    return own if block.parent is None else path_of(block.parent) + own


class FilledCache(PrefixCache):
    """A cache over a pool with one slot, through which blocks are written and read."""

    def __init__(self, budget_bytes: int) -> None:
        self.pool = HostPool(SPEC, 2**20, budget_bytes)
        self.pool.reserve(1, BLOCK_TOKENS, kept=())
        super().__init__(self.pool)

    def filler(self, value: float) -> Callable[[BlockId], None]:
        def fill(block: BlockId) -> None:
            self.pool.layers[0][...] = value
            self.pool.copy_out(0, 0, block, BLOCK_TOKENS)

        return fill

    def content(self, block: Block) -> np.ndarray:
        self.pool.layers[0][...] = np.nan
        self.pool.copy_in(block.storage, 0, 0, BLOCK_TOKENS)
        return self.pool.layers[0][:, 0, :, :BLOCK_TOKENS]


def cache_of(blocks: int) -> FilledCache:
    return FilledCache(blocks * BLOCK_BYTES)


def insert(
    cache: FilledCache, parent: Block | None, letter: int, *, exact: bool = True, value: float = 0.0
) -> Block | None:
    return cache.insert(parent, block_tokens(letter), cache.filler(value), exact=exact)


def insert_path(cache: FilledCache, path: Path, *, exact: bool = True) -> Block:
    block = None
    for letter in path:
        block = insert(cache, block, letter, exact=exact)
        assert block is not None
    assert block is not None
    return block


class CacheMachine(RuleBasedStateMachine):
    """The model: what each path held when it was last written, and when each path was last used."""

    held: Bundle[Any] = Bundle("held")

    @initialize(blocks=st.sampled_from([0, 1, 2, 5, 9, 40]))
    def start(self, blocks: int) -> None:
        self.cache = cache_of(blocks)
        self.blocks = blocks
        self.content: dict[Path, tuple[float, bool]] = {}
        self.last_used: dict[Path, int] = {}
        self.references: dict[Path, int] = {}
        self.clock = 0
        self.writes = 0

    # What a naive cache would do.

    def use(self, path: Path) -> None:
        self.clock += 1
        for end in range(1, len(path) + 1):
            self.last_used[path[:end]] = self.clock

    def may_leave(self, path: Path) -> bool:
        continued = any(other[:-1] == path for other in self.content)
        return not (continued or self.references.get(path))

    def forget_least_recently_used(self, keep: Path = ()) -> bool:
        candidates = [path for path in self.content if self.may_leave(path) and path != keep]
        if not candidates:
            return False
        oldest = min(self.last_used[path] for path in candidates)
        # A path that was used together with others leaves from its end; nothing else ties.
        (victim,) = (path for path in candidates if self.last_used[path] == oldest)
        del self.content[victim]
        return True

    # What happens.

    @rule(target=held, path=st.lists(st.integers(0, 2), min_size=1, max_size=5), exact=st.booleans())
    def compute(self, path: list[int], exact: bool) -> Any:
        """A sequence computes a whole path, block by block, and keeps a reference to where it got."""
        at: Block | None = None
        for end in range(1, len(path) + 1):
            prefix = tuple(path[:end])
            known = self.content.get(prefix)
            self.writes += 1
            block = insert(self.cache, at, path[end - 1], exact=exact, value=float(self.writes))
            if known is None:
                room = len(self.content) < self.blocks or self.forget_least_recently_used(keep=prefix[:-1])
                assert (block is not None) == room
                if block is None:
                    break
                self.content[prefix] = (float(self.writes), exact)
            elif exact and not known[1]:
                self.content[prefix] = (float(self.writes), True)
            assert block is not None
            self.use(prefix)
            self.cache.lock(block)
            self.references[prefix] = self.references.get(prefix, 0) + 1
            if at is not None:
                self.release(at)
            at = block
        return multiple() if at is None else at

    @rule(block=consumes(held))
    def leave(self, block: Block) -> None:
        """A sequence ends."""
        self.release(block)

    def release(self, block: Block) -> None:
        self.cache.unlock(block)
        self.references[path_of(block)] -= 1

    @rule(path=st.lists(st.integers(0, 2), max_size=6), tail=st.integers(0, BLOCK_TOKENS - 1), exact=st.booleans())
    def look_up(self, path: list[int], tail: int, exact: bool) -> None:
        expected: list[Path] = []
        for end in range(1, len(path) + 1):
            known = self.content.get(tuple(path[:end]))
            if known is None or (exact and not known[1]):
                break
            expected.append(tuple(path[:end]))

        found = self.cache.match(spell(tuple(path)) + [7] * tail, exact=exact)

        assert [path_of(block) for block in found] == expected
        if found:
            self.cache.touch(found[-1])
            self.use(expected[-1])

    @rule()
    def clear(self) -> None:
        self.cache.clear()
        while self.forget_least_recently_used():
            pass

    # What must always hold.

    @invariant()
    def holds_exactly_what_the_model_holds(self) -> None:
        blocks = {path_of(block): block for block in self.cache.blocks()}
        assert blocks.keys() == self.content.keys()
        for path, block in blocks.items():
            value, exact = self.content[path]
            assert (self.cache.content(block) == value).all()
            assert block.exact == exact
            assert block.references == self.references.get(path_of(block), 0)

    @invariant()
    def keeps_its_budget(self) -> None:
        assert self.cache.size == len(self.content) <= self.blocks
        assert self.cache.nbytes <= self.blocks * BLOCK_BYTES

    @invariant()
    def storage_is_never_shared(self) -> None:
        handles = [block.storage for block in self.cache.blocks()]
        assert len(set(handles)) == len(handles)


CacheMachine.TestCase.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
test_the_cache_does_what_a_dictionary_of_prefixes_would = CacheMachine.TestCase


def test_tokens_that_only_begin_alike_are_no_hit() -> None:
    cache = cache_of(4)
    insert_path(cache, (0, 1))

    assert cache.match(spell((0, 2)), exact=False)[0].tokens == block_tokens(0)
    assert len(cache.match(spell((0, 2)), exact=False)) == 1
    assert cache.match(spell((0, 1))[:-1], exact=False)[-1].tokens == block_tokens(0)
    assert cache.match(spell((1,)), exact=False) == []


def test_of_blocks_that_go_on_otherwise_the_one_that_begins_most_alike_is_found() -> None:
    cache = cache_of(8)
    root = insert_path(cache, (0,))
    for own in ((7, 8), (7, 7, 7, 8), (7, 7, 8)):
        cache.insert(root, own + (9,) * (BLOCK_TOKENS - len(own)), cache.filler(0), exact=False)
    wanted = [*block_tokens(0), 7, 7, 7, 1]

    found = cache.match_start(root, wanted, BLOCK_TOKENS, exact=False)
    assert found is not None
    assert (found[0].tokens[:5], found[1]) == ((7, 7, 7, 8, 9), 3)
    assert cache.match_start(root, wanted, BLOCK_TOKENS, exact=True) is None
    assert cache.match_start(root, [*block_tokens(0), 1], BLOCK_TOKENS, exact=False) is None
    assert cache.match_start(root, block_tokens(0), BLOCK_TOKENS, exact=False) is None
    whole = insert(cache, root, 5)
    assert cache.match_start(root, spell((0, 5)), BLOCK_TOKENS, exact=False) == (whole, BLOCK_TOKENS)


@pytest.mark.parametrize(("shorter_exact", "exact", "leaves"), [(False, False, True), (True, False, False)])
def test_a_shorter_block_leaves_when_one_begins_with_it_that_is_as_good(
    shorter_exact: bool, exact: bool, leaves: bool
) -> None:
    cache = cache_of(4)
    root = insert_path(cache, (0,))
    shorter = cache.insert(root, block_tokens(1)[:5], cache.filler(3), exact=shorter_exact)
    other = cache.insert(root, (1, 2), cache.filler(3), exact=False)
    assert cache.match(spell((0, 1)), exact=False) == [root]
    assert cache.match_start(root, spell((0, 1)), BLOCK_TOKENS, exact=False) == (shorter, 5)

    longer = insert(cache, root, 1, exact=exact)

    assert set(root.children.values()) == {longer, other} | (set() if leaves else {shorter})
    assert cache.size == len(list(cache.blocks())) == (3 if leaves else 4)
    assert cache.evictions == 0
    while cache.size < 4:
        insert(cache, root, 10 + cache.size)
    assert len({block.storage for block in cache.blocks()}) == 4
    cache.clear()
    assert cache.size == 0


def test_an_exact_request_is_given_no_decoded_block_until_it_was_prefilled() -> None:
    cache = cache_of(4)
    decoded = insert_path(cache, (0,), exact=False)

    assert cache.match(spell((0,)), exact=True) == []
    assert insert(cache, None, 0, exact=True, value=5.0) is decoded
    assert cache.match(spell((0,)), exact=True) == [decoded]
    assert (cache.content(decoded) == 5.0).all()


def test_a_decoded_block_never_replaces_a_prefilled_one() -> None:
    cache = cache_of(4)
    insert(cache, None, 0, exact=True, value=1.0)

    block = insert(cache, None, 0, exact=False, value=2.0)

    assert block is not None
    assert block.exact
    assert (cache.content(block) == 1.0).all()


def test_the_least_recently_used_leaf_goes_first() -> None:
    cache = cache_of(3)
    first, second, third = (insert_path(cache, (letter,)) for letter in (0, 1, 2))
    cache.touch(first)

    insert_path(cache, (3,))

    assert {path_of(block) for block in cache.blocks()} == {(0,), (2,), (3,)}
    assert second not in cache.blocks()
    assert third in cache.blocks()
    assert cache.evictions == 1


def test_what_is_in_use_stays_and_the_new_block_is_not_kept() -> None:
    cache = cache_of(2)
    end = insert_path(cache, (0, 1))
    cache.lock(end)

    assert insert(cache, None, 2) is None
    cache.unlock(end)
    assert insert(cache, None, 2) is not None


def test_making_room_never_takes_the_block_that_is_continued() -> None:
    cache = cache_of(1)
    parent = insert_path(cache, (0,))

    assert insert(cache, parent, 1) is None
    assert list(cache.blocks()) == [parent]


def test_memory_is_taken_as_it_is_needed_and_used_again() -> None:
    cache = cache_of(1000)
    assert cache.nbytes == 0
    insert_path(cache, (0,))
    taken = cache.nbytes
    assert 0 < taken < 1000 * BLOCK_BYTES

    for letter in range(200):
        cache.clear()
        insert_path(cache, (letter,))
    assert cache.nbytes == taken


@pytest.mark.parametrize("budget", [0, BLOCK_BYTES - 1])
def test_a_budget_below_one_block_keeps_nothing(budget: int) -> None:
    cache = FilledCache(budget)

    assert insert(cache, None, 0) is None
    assert cache.nbytes == 0


def test_the_order_of_eviction_does_not_grow_with_use() -> None:
    cache = cache_of(8)
    block = insert_path(cache, (0, 1))
    for _ in range(2000):
        cache.touch(block)
        cache.lock(block)
        cache.unlock(block)

    assert cache.eviction_entries < 200
    cache.clear()
    assert cache.size == 0
