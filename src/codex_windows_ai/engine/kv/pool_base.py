"""What pools have alike, whatever memory they are in: budgets, how slots grow, and what of them is free."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

from codex_windows_ai.engine.kv.pool import BLOCK_TOKENS, BlockId, CheckpointId, KeysAndValues, KVSpec
from codex_windows_ai.errors import EngineError, UnsupportedModelError


class PoolBase(ABC):
    """The part of a `KVPool` that counts; a subclass has the memory.

    Slots grow by `length_step` tokens, and in number to `FEWEST_SLOTS` and then twofold where the budget allows it.
    Blocks are allocated in slabs of `SLAB_BLOCKS`: block N is number N % SLAB_BLOCKS of the slab N // SLAB_BLOCKS.

    Raises UnsupportedModelError: a layer keeps the keys and values of a window only.
    """

    length_step = 256
    FEWEST_SLOTS = 4
    SLAB_BLOCKS = 16

    def __init__(
        self, spec: KVSpec, budget_bytes: int, block_budget_bytes: int = 0, checkpoint_budget_bytes: int = 0
    ) -> None:
        self.spec = spec
        self.keys_and_values = _keys_and_values(spec)
        """Of the layers that keep them, in their order."""
        self.budget_bytes = budget_bytes
        self.slots = 0
        self.length = 0
        self._block_bytes = BLOCK_TOKENS * spec.bytes_per_token
        self.block_capacity = block_budget_bytes // self._block_bytes
        self._free_blocks: list[BlockId] = []
        self._allocated_blocks = 0
        self.checkpoint_capacity = checkpoint_budget_bytes // spec.state_bytes if spec.state_bytes else 0
        self._free_checkpoints: list[CheckpointId] = []
        self._allocated_checkpoints = 0

    # Slots.

    @property
    def max_sequence_length(self) -> int:
        """Tokens of the longest single slot within the budget."""
        room = max(self.budget_bytes - self.spec.state_bytes, 0)
        return room // self.spec.bytes_per_token // self.length_step * self.length_step

    @property
    def nbytes(self) -> int:
        """Bytes that slots take now."""
        return self.bytes_of(self.slots, self.length)

    def bytes_of(self, slots: int, length: int) -> int:
        """Bytes that so many slots for so many tokens take."""
        return slots * self.spec.slot_bytes(self._rounded(length))

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
                f"{slots} sequences of {length} tokens need {self.bytes_of(slots, length):,} bytes of memory, "
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

    # Checkpoints.

    @property
    def checkpoint_nbytes(self) -> int:
        """Bytes of the checkpoints that were ever allocated."""
        return self._allocated_checkpoints * self.spec.state_bytes

    def allocate_checkpoint(self) -> CheckpointId | None:
        """Memory for a checkpoint that nothing uses; None where all is used."""
        if not self._free_checkpoints and self._allocated_checkpoints < self.checkpoint_capacity:
            self._add_checkpoint()
            self._free_checkpoints.append(CheckpointId(self._allocated_checkpoints))
            self._allocated_checkpoints += 1
        return self._free_checkpoints.pop() if self._free_checkpoints else None

    def free_checkpoint(self, checkpoint: CheckpointId) -> None:
        """The memory may be allocated again."""
        self._free_checkpoints.append(checkpoint)

    @abstractmethod
    def _add_checkpoint(self) -> None:
        """Allocates memory for one more checkpoint. Raises MemoryError."""


def _keys_and_values(spec: KVSpec) -> list[KeysAndValues]:
    found: list[KeysAndValues] = []
    for number, state in enumerate(spec.layers):
        if not isinstance(state, KeysAndValues):
            continue
        if state.window is not None:
            raise UnsupportedModelError(f"Layer {number} keeps {state}, which the engine has no memory for.")
        found.append(state)
    return found
