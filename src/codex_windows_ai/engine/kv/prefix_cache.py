"""One cache of prompt prefixes for all agents.

A tree of blocks of `BLOCK_TOKENS` tokens. A path from the root spells a prefix, and each block
holds its tokens' keys and values, so a prefix that several agents share is stored once whoever
computed it. Children are found by their token ids themselves, so a hit is never wrong. Sequences
copy what they match, of the last block also its first tokens alone; a block that a sequence continues
from is referenced and stays. What a sequence that ends leaves behind its last block is kept as a shorter
one, which nothing continues from. Under the memory budget the least recently used leaf goes first.

The keys and values of a decoded token differ in the last bits from those of the same token
prefilled (ONNX Runtime computes attention of one query and of many differently). A block is
`exact` when it and everything before it was prefilled; exact requests are given no other.

The idea is RadixAttention's (SGLang, arXiv 2312.07104) on blocks of fixed size.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from codex_windows_ai.engine.kv.pool import BLOCK_TOKENS, BlockId, KVPool

if TYPE_CHECKING:
    from codex_windows_ai.engine.kv.checkpoints import Checkpoint

BlockTokens = tuple[int, ...]


class Block:
    """Keys and values of `BLOCK_TOKENS` tokens that follow the tokens of `parent`; fewer where a sequence ended."""

    __slots__ = ("checkpoint", "children", "exact", "last_used", "parent", "references", "storage", "tokens")

    def __init__(self, parent: Block | None, tokens: BlockTokens, storage: BlockId, *, exact: bool) -> None:
        self.parent = parent
        self.tokens = tokens
        self.storage = storage
        self.exact = exact
        self.children: dict[BlockTokens, Block] = {}
        self.checkpoint: Checkpoint | None = None
        self.references = 0
        self.last_used = 0

    @property
    def evictable(self) -> bool:
        """Nothing continues from it, neither a block nor a sequence."""
        return not (self.children or self.references)


class PrefixCache:
    """The tree, over the blocks of a pool, and the order in which they leave; `on_removal` is told of each."""

    def __init__(self, pool: KVPool, on_removal: Callable[[Block], None] | None = None) -> None:
        self._pool = pool
        self._on_removal = on_removal
        self._roots: dict[BlockTokens, Block] = {}
        self._clock = 0
        self._order = itertools.count()
        self._leaves: list[tuple[int, int, Block]] = []
        self.size = 0
        self.evictions = 0

    @property
    def nbytes(self) -> int:
        """Bytes held now, free blocks included: memory is re-used, not given back."""
        return self._pool.block_nbytes

    def next_block(self, parent: Block | None, tokens: Sequence[int], start: int, *, exact: bool) -> Block | None:
        """The block that holds `tokens[start : start + BLOCK_TOKENS]` after `parent`, if it is there."""
        key = tuple(tokens[start : start + BLOCK_TOKENS])
        if len(key) < BLOCK_TOKENS:
            return None
        block = self._children(parent).get(key)
        return None if block is None or (exact and not block.exact) else block

    def shorter_blocks(self, parent: Block | None, tokens: Sequence[int], start: int) -> Iterator[Block]:
        """The blocks of fewer tokens after `parent` that `tokens[start:]` begins with, shortest first."""
        children = self._children(parent)
        if len(children) == 1 and len(next(iter(children))) == BLOCK_TOKENS:
            return  # as nearly everywhere on a path
        wanted = tuple(tokens[start : start + BLOCK_TOKENS])
        for length in range(1, min(BLOCK_TOKENS, len(wanted) + 1)):
            if (block := children.get(wanted[:length])) is not None:
                yield block

    def match_start(
        self, parent: Block | None, tokens: Sequence[int], start: int, *, exact: bool
    ) -> tuple[Block, int] | None:
        """The block after `parent` whose first tokens are the most of `tokens[start:]`, and how many they are."""
        if block := self.next_block(parent, tokens, start, exact=exact):
            return block, BLOCK_TOKENS
        wanted = tuple(tokens[start : start + BLOCK_TOKENS])
        alike = [
            (common_length(block.tokens, wanted), block)
            for block in self._children(parent).values()
            if block.tokens[:1] == wanted[:1] and (block.exact or not exact)
        ]
        length, block = max(alike, key=lambda one: one[0], default=(0, None))
        return None if block is None or not length else (block, length)

    def match(self, tokens: Sequence[int], *, exact: bool) -> list[Block]:
        """The longest path of blocks that spells a prefix of `tokens`."""
        path: list[Block] = []
        while block := self.next_block(path[-1] if path else None, tokens, len(path) * BLOCK_TOKENS, exact=exact):
            path.append(block)
        return path

    def insert(
        self, parent: Block | None, tokens: BlockTokens, fill: Callable[[BlockId], None], *, exact: bool
    ) -> Block | None:
        """Adds a block after `parent`, or finds it; `fill` writes its keys and values.

        `exact` says that these keys and values were prefilled on an exact history; they replace
        decoded ones. A shorter block that begins it is of no more use and leaves, unless states were kept
        behind it. Returns None where everything that could leave is in use: not an error, the prefix is just not kept.
        """
        siblings = self._children(parent)
        block = siblings.get(tokens)
        if block is not None:
            if exact and not block.exact:
                fill(block.storage)
                block.exact = True
            self.touch(block)
            return block
        if parent is not None:
            self.lock(parent)  # or making room could take the parent itself
        storage = self._allocate()
        if parent is not None:
            self.unlock(parent)
        if storage is None:
            return None
        fill(storage)
        block = siblings[tokens] = Block(parent, tokens, storage, exact=exact)
        self.size += 1
        for length in range(1, len(tokens)):
            shorter = siblings.get(tokens[:length])
            if shorter is None or shorter.checkpoint is not None:
                continue
            if shorter.evictable and (exact or not shorter.exact):
                self._remove(shorter)
        self.touch(block)
        return block

    @property
    def eviction_entries(self) -> int:
        """Entries in the order of eviction, those that became stale included."""
        return len(self._leaves)

    def touch(self, block: Block | None) -> None:
        """Marks a block and everything before it as just used."""
        self._clock += 1
        while block is not None:
            block.last_used = self._clock
            self._queue_for_eviction(block)
            block = block.parent

    def lock(self, block: Block) -> None:
        """A sequence continues from this block: it stays until unlocked."""
        block.references += 1

    def unlock(self, block: Block) -> None:
        """A sequence is done with this block."""
        block.references -= 1
        self._queue_for_eviction(block)

    def clear(self) -> None:
        """Evicts everything that no sequence uses."""
        while self._evict():
            pass

    def blocks(self) -> Iterator[Block]:
        """Every block in the tree; for statistics and for checking invariants."""
        waiting = list(self._roots.values())
        while waiting:
            block = waiting.pop()
            waiting += block.children.values()
            yield block

    def _allocate(self) -> BlockId | None:
        block = self._pool.allocate_block()
        if block is None and self._evict():
            block = self._pool.allocate_block()
        return block

    def _queue_for_eviction(self, block: Block) -> None:
        """Puts a block where eviction looks; entries that became stale are skipped there."""
        if block.evictable:
            heapq.heappush(self._leaves, (block.last_used, next(self._order), block))
            if len(self._leaves) > 64 + 4 * self.size:
                current = {id(entry[2]): entry for entry in self._leaves if self._is_current(entry)}
                self._leaves = list(current.values())
                heapq.heapify(self._leaves)

    def _children(self, parent: Block | None) -> dict[BlockTokens, Block]:
        return self._roots if parent is None else parent.children

    def _is_current(self, entry: tuple[int, int, Block]) -> bool:
        last_used, _, block = entry
        in_tree = self._children(block.parent).get(block.tokens) is block
        return in_tree and block.evictable and block.last_used == last_used

    def _evict(self) -> bool:
        """Frees the least recently used leaf; False where there is none."""
        while self._leaves:
            entry = heapq.heappop(self._leaves)
            block = entry[2]
            if not self._is_current(entry):
                continue
            self._remove(block)
            self.evictions += 1
            if block.parent is not None:
                self._queue_for_eviction(block.parent)
            return True
        return False

    def _remove(self, block: Block) -> None:
        if self._on_removal is not None:
            self._on_removal(block)
        del self._children(block.parent)[block.tokens]
        self._pool.free_block(block.storage)
        self.size -= 1


def common_length(one: Sequence[int], other: Sequence[int]) -> int:
    """Tokens that both begin with."""
    unlike = (index for index, (first, second) in enumerate(zip(one, other, strict=False)) if first != second)
    return next(unlike, min(len(one), len(other)))
