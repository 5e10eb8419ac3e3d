"""Memory for what a model remembers of its sequences: one protocol, whatever holds the memory.

A pool has slots, one for each running sequence, as long as the longest of them; blocks, in which the prefix cache
keeps keys and values outside any slot; checkpoints, in which it keeps copies of recurrent states; and prefixes, which
passes read once for all slots. Who decides what goes where (slots, prefix cache, checkpoints, shared prefix) holds
numbers and handles, never the memory itself. `host_pool` keeps it
in the host's memory; a pool in another array library is another file beside it, under the same tests
(`tests/engine/pool_contract.py`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NewType, Protocol, Self

import numpy as np

BLOCK_TOKENS = 16
"""Tokens of a block of the prefix cache."""

BlockId = NewType("BlockId", int)
"""A block of a pool; means something to that pool only."""

CheckpointId = NewType("CheckpointId", int)
"""Memory of a pool for one checkpoint; means something to that pool only."""


@dataclass(frozen=True, slots=True)
class KeysAndValues:
    """What a layer of attention keeps: of each token a key and a value, each [heads, head size].

    `window` is how many of the last tokens it looks at; None is all of them.
    """

    heads: int
    head_size: int
    dtype: np.dtype[np.generic]
    window: int | None = None

    @property
    def bytes_per_token(self) -> int:
        """Bytes that one token of context costs."""
        return 2 * self.heads * self.head_size * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class StatePart:
    """One array of what a recurrent layer keeps of a sequence, as large behind one token as behind many."""

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    in_place: bool = False
    """A pass may write it where it reads it: in the graph one operator alone does both."""

    @property
    def nbytes(self) -> int:
        """Bytes for one sequence."""
        return math.prod(self.shape) * self.dtype.itemsize


@dataclass(frozen=True, slots=True)
class RecurrentState:
    """What a recurrent layer keeps: the last inputs of its convolution, a delta net's state, or both."""

    parts: tuple[StatePart, ...]


LayerState = KeysAndValues | RecurrentState | None
"""What a layer remembers; None where it remembers nothing."""


@dataclass(frozen=True)
class KVSpec:
    """What a model remembers, layer by layer; layers may differ."""

    layers: tuple[LayerState, ...]

    @cached_property
    def bytes_per_token(self) -> int:
        """Bytes that one token of context costs in all layers."""
        return sum(layer.bytes_per_token for layer in self.layers if isinstance(layer, KeysAndValues))

    @cached_property
    def state_parts(self) -> tuple[StatePart, ...]:
        """Of all recurrent layers, in their order."""
        return tuple(part for layer in self.layers if isinstance(layer, RecurrentState) for part in layer.parts)

    @cached_property
    def state_bytes(self) -> int:
        """Bytes of a sequence's recurrent states, and of a checkpoint; 0: every layer is attention."""
        return sum(part.nbytes for part in self.state_parts)

    def slot_bytes(self, tokens: int) -> int:
        """Bytes of a slot for so many tokens."""
        return tokens * self.bytes_per_token + self.state_bytes


@dataclass(frozen=True, slots=True)
class LayerNames:
    """What the graph calls the keys and the values of one layer."""

    past: tuple[str, str]
    present: tuple[str, str]
    shared: tuple[str, str]
    piece_past: tuple[str, str]
    piece_present: tuple[str, str]


@dataclass(frozen=True, slots=True)
class KVPrefix:
    """The handle of a prefix of a pool."""

    number: int
    length: int

    def __len__(self) -> int:
        return self.length


class Session(Protocol):
    """A loaded model, as a pool binds its memory to it."""

    @property
    def names(self) -> tuple[LayerNames, ...]:
        """Of the layers that keep keys and values, in their order."""
        ...

    @property
    def state_names(self) -> tuple[tuple[str, str], ...]:
        """Past and present of every part of `KVSpec.state_parts`."""
        ...

    @property
    def shared_length(self) -> str:
        """The name of the input for a shared prefix's length, int64 [1]."""
        ...

    @property
    def computes_in_host_memory(self) -> bool:
        """Past and present of a pass may be the same memory of the host."""
        ...

    def io_binding(self) -> Any:
        """A new binding of ONNX Runtime."""
        ...


class Binding(Protocol):
    """Past and present of one pass, bound to a pool's memory."""

    @property
    def io(self) -> Any:
        """ONNX Runtime's binding, to which the caller adds the other inputs and outputs."""
        ...

    def finish(self) -> None:
        """To be called when the pass has run: its keys and values, and its states, are in the pool then."""
        ...


class KVPool(Protocol):
    """Slots, blocks, checkpoints and prefixes. Tokens of a slot are counted from the sequence's first.

    Where the model has recurrent states, each slot has them as well, behind `state_length` tokens. They go where the
    slot's tokens go; behind no tokens they are zero.
    """

    @property
    def spec(self) -> KVSpec:
        """What it holds of each token."""
        ...

    # Slots.

    @property
    def slots(self) -> int:
        """Slots that there is memory for now."""
        ...

    @property
    def length(self) -> int:
        """Tokens that each slot has memory for now."""
        ...

    @property
    def budget_bytes(self) -> int:
        """Bytes that all slots may take."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes that slots take now."""
        ...

    @property
    def length_step(self) -> int:
        """Tokens by which slots grow."""
        ...

    @property
    def max_sequence_length(self) -> int:
        """Tokens of the longest single slot within the budget."""
        ...

    def bytes_of(self, slots: int, length: int) -> int:
        """Bytes that so many slots for so many tokens take."""
        ...

    def fits(self, slots: int, length: int) -> bool:
        """Whether so many slots for so many tokens stay within the budget."""
        ...

    def reserve(self, slots: int, length: int, *, kept: Sequence[range]) -> None:
        """Grows to at least so many slots for so many tokens; `kept` says which tokens of each slot to keep.

        Raises EngineError: it would exceed the budget. MemoryError: the machine has no more.
        """
        ...

    def resize(self, slots: int, length: int, *, kept: Sequence[range]) -> None:
        """Changes to so many slots for so many tokens; of what lies inside both, the tokens `kept` stay.

        Raises EngineError, MemoryError as `reserve`; what both sizes hold is sound then.
        """
        ...

    def release(self) -> None:
        """Gives the memory of all slots back."""
        ...

    def move(self, source: int, target: int, tokens: range) -> None:
        """Copies `tokens` of one slot to the same place in another."""
        ...

    def swap(self, first: int, first_tokens: range, second: int, second_tokens: range) -> None:
        """Exchanges two slots, of which each holds only these tokens."""
        ...

    # Blocks.

    @property
    def block_capacity(self) -> int:
        """Blocks within the budget for them."""
        ...

    @property
    def block_nbytes(self) -> int:
        """Bytes of the blocks that were ever allocated: their memory is used again, not given back."""
        ...

    def allocate_block(self) -> BlockId | None:
        """A block that nothing uses; None where all are used."""
        ...

    def free_block(self, block: BlockId) -> None:
        """The block may be allocated again."""
        ...

    def copy_out(self, slot: int, start: int, block: BlockId, tokens: int) -> None:
        """Copies so many tokens from `start` on out of a slot, to the first ones of a block."""
        ...

    def copy_in(self, block: BlockId, slot: int, start: int, tokens: int) -> None:
        """Copies the first tokens of a block into a slot, from `start` on."""
        ...

    # Checkpoints.

    @property
    def checkpoint_capacity(self) -> int:
        """Checkpoints within the budget for them; 0 where there are no states."""
        ...

    @property
    def checkpoint_nbytes(self) -> int:
        """Bytes of the checkpoints that were ever allocated: their memory is used again, not given back."""
        ...

    def allocate_checkpoint(self) -> CheckpointId | None:
        """Memory for a checkpoint that nothing uses; None where all is used."""
        ...

    def free_checkpoint(self, checkpoint: CheckpointId) -> None:
        """The memory may be allocated again."""
        ...

    def state_length(self, slot: int) -> int | None:
        """The tokens behind which a slot's states are; None where a pass over it failed, or nobody knows."""
        ...

    def save_states(self, slot: int, checkpoint: CheckpointId) -> None:
        """Copies a slot's states to a checkpoint."""
        ...

    def restore_states(self, checkpoint: CheckpointId, slot: int, length: int) -> None:
        """Copies a checkpoint, which was taken behind `length` tokens, to a slot."""
        ...

    # Prefixes.

    def prefix_of_slot(self, slot: int, length: int) -> KVPrefix:
        """A prefix of its own memory, copied from a slot's first tokens."""
        ...

    def prefix_of_blocks(self, blocks: Sequence[BlockId]) -> KVPrefix:
        """A prefix of its own memory, copied from whole blocks that follow each other."""
        ...

    def copy_prefix(self, prefix: KVPrefix, slot: int) -> None:
        """Copies a prefix to the first tokens of a slot."""
        ...

    def free_prefix(self, prefix: KVPrefix) -> None:
        """Gives the memory of a prefix back."""
        ...

    def prefill_pool(self, prefix: KVPrefix, length: int) -> Self:
        """A pool of the same kind with memory of its own: one slot for so many tokens, which begins with a prefix."""
        ...

    def copy_from(self, origin: Self, source: int, target: int, tokens: range) -> None:
        """Copies `tokens` of a slot of another pool to the same place in a slot of this one."""
        ...

    # Passes.

    def bind(
        self,
        session: Session,
        first: int,
        past: Sequence[int],
        new: int,
        prefix: KVPrefix | None = None,
        piece: tuple[Self, int] | None = None,
    ) -> Binding:
        """Binds the slots from `first` on, one for each of `past`, for a pass over `new` tokens behind those of `past`.

        With `prefix`, which `past` includes, the pass reads the first tokens of every slot from there. With `piece`,
        for sessions that compute in the host's memory, it reads a piece of a prompt in that slot of that pool besides.

        Raises EngineError: a slot's states are not behind those tokens.
        """
        ...


PoolFactory = Callable[[KVSpec, int, int, int], KVPool]
"""Makes a pool from what it holds, and the bytes that slots, blocks and checkpoints may take."""
