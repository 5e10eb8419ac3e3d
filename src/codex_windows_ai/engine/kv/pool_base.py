"""What pools have alike, whatever memory they are in: budgets, how slots grow, and which blocks are free."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from codex_windows_ai.engine.kv.pool import BLOCK_TOKENS, BlockId, KeysAndValues, KVSpec
from codex_windows_ai.errors import EngineError, UnsupportedModelError


class PoolBase(ABC):
    """The part of a `KVPool` that counts; a subclass has the memory.

    Slots grow by `length_step` tokens, and in number to `FEWEST_SLOTS` and then twofold where the budget allows it.
    Blocks are allocated in slabs of `SLAB_BLOCKS`: block N is number N % SLAB_BLOCKS of the slab N // SLAB_BLOCKS.

    Raises UnsupportedModelError: a layer remembers something else than keys and values of all tokens.
    """

    length_step = 256
    FEWEST_SLOTS = 4
    SLAB_BLOCKS = 16

    def __init__(self, spec: KVSpec, budget_bytes: int, block_budget_bytes: int = 0) -> None:
        self.spec = spec
        self.states = _states(spec)
        """Of the layers that remember something, in their order."""
        self.budget_bytes = budget_bytes
        self.slots = 0
        self.length = 0
        self._block_bytes = BLOCK_TOKENS * spec.bytes_per_token
        self.block_capacity = block_budget_bytes // self._block_bytes
        self._free_blocks: list[BlockId] = []
        self._allocated_blocks = 0

    # Slots.

    @property
    def max_sequence_length(self) -> int:
        """Tokens of the longest single slot within the budget."""
        return self.budget_bytes // self.spec.bytes_per_token // self.length_step * self.length_step

    @property
    def nbytes(self) -> int:
        """Bytes that slots take now."""
        return self.bytes_of(self.slots, self.length)

    def bytes_of(self, slots: int, length: int) -> int:
        """Bytes that so many slots for so many tokens take."""
        return slots * self._rounded(length) * self.spec.bytes_per_token

    def fits(self, slots: int, length: int) -> bool:
        """Whether so many slots for so many tokens stay within the budget."""
        return self.bytes_of(slots, length) <= self.budget_bytes

    def reserve(self, slots: int, length: int, *, kept: Sequence[range]) -> None:
        """As in KVPool."""
        if slots <= self.slots and length <= self.length:
            return
        length = max(length, self.length)
        # Growing copies everything, while slots that no sequence uses cost address space only.
        ample = self.slots if slots <= self.slots else max(slots, 2 * self.slots, self.FEWEST_SLOTS)
        self.resize(ample if self.fits(ample, length) else slots, length, kept=kept)

    def resize(self, slots: int, length: int, *, kept: Sequence[range]) -> None:
        """As in KVPool."""
        length = self._rounded(length)
        if not self.fits(slots, length):
            raise EngineError(
                f"{slots} sequences of {length} tokens need {self.bytes_of(slots, length):,} bytes of keys and values, "
                f"the budget is {self.budget_bytes:,}."
            )
        # Should memory run out between two layers, what both sizes hold stays sound.
        self.slots, self.length = min(slots, self.slots), min(length, self.length)
        spans = [slice(span.start, min(span.stop, self.length)) for span in kept[: self.slots]]
        self._replace_layers(slots, length, spans)
        self.slots, self.length = slots, length

    def release(self) -> None:
        """Gives the memory of all slots back."""
        self.resize(0, 0, kept=())

    @abstractmethod
    def _replace_layers(self, slots: int, length: int, spans: list[slice]) -> None:
        """Has memory of this size in the place of the old, with the tokens `spans` of the first slots copied over.

        Layer by layer, so that it never needs more than one layer twice. Raises MemoryError.
        """

    def _rounded(self, length: int) -> int:
        return -(-length // self.length_step) * self.length_step

    # Blocks.

    @property
    def block_nbytes(self) -> int:
        """Bytes of the blocks that were ever allocated."""
        return self._allocated_blocks * self._block_bytes

    def allocate_block(self) -> BlockId | None:
        """A block that nothing uses; None where all are used."""
        if not self._free_blocks and self._allocated_blocks < self.block_capacity:
            count = min(self.SLAB_BLOCKS, self.block_capacity - self._allocated_blocks)
            self._add_slab(count)
            self._free_blocks += [BlockId(self._allocated_blocks + number) for number in range(count)]
            self._allocated_blocks += count
        return self._free_blocks.pop() if self._free_blocks else None

    def free_block(self, block: BlockId) -> None:
        """The block may be allocated again."""
        self._free_blocks.append(block)

    @abstractmethod
    def _add_slab(self, count: int) -> None:
        """Allocates memory for so many more blocks. Raises MemoryError."""


def _states(spec: KVSpec) -> list[KeysAndValues]:
    states: list[KeysAndValues] = []
    for number, state in enumerate(spec.layers):
        if state is None:
            continue
        if not isinstance(state, KeysAndValues) or state.window is not None:
            raise UnsupportedModelError(f"Layer {number} keeps {state}, which the engine has no memory for.")
        states.append(state)
    return states
