"""The pool in the host's memory: slots, blocks, checkpoints and prefixes are numpy arrays.

A session on the CPU reads its past from the slots and writes the present into the same memory, so a pass copies
nothing. For other devices the past is copied there and the new keys and values back on every pass, as long as they
are. A slot is contiguous in each head, so one sequence can be prefilled alone and then decode in a batch with others.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from codex_windows_ai.engine.kv.host_memory import Buffer, allocate
from codex_windows_ai.engine.kv.pool import (
    BLOCK_TOKENS,
    Binding,
    BlockId,
    CheckpointId,
    KeysAndValues,
    KVPrefix,
    KVSpec,
    Session,
)
from codex_windows_ai.engine.kv.pool_base import PoolBase
from codex_windows_ai.engine.kv.slot_states import SlotStates


class _Prefix:
    """Arrays of [2 (key, value), heads, tokens, head size], one a layer."""

    def __init__(self, layers: list[Buffer], length: int) -> None:
        self.layers = layers
        self.length = np.array([length], dtype=np.int64)


class _BoundInPlace:
    """A pass that works on the pool's own memory."""

    __slots__ = ("io",)

    def __init__(self, io: Any) -> None:
        self.io: Any = io

    def finish(self) -> None:
        """Nothing is left to be done."""


class _BoundCopy:
    """A pass over a copy of the past, whose new keys and values `finish` copies back.

    The past is as long as its longest slot, not as the slots are: an execution provider that is handed more takes
    what lies behind for tokens.
    """

    def __init__(
        self,
        layers: list[Buffer],
        states: SlotStates,
        session: Session,
        first: int,
        past: Sequence[int],
        new: int,
    ) -> None:
        self.io: Any = session.io_binding()
        self._layers, self._states, self._first, self._past, self._new = layers, states, first, past, new
        self._held: list[Buffer] = []  # must outlive the pass
        longest = max(past)
        for layer, names in zip(layers, session.names, strict=True):
            for part in range(2):
                copy = np.ascontiguousarray(layer[part, first : first + len(past), :, :longest])
                self._held.append(copy)
                self.io.bind_cpu_input(names.past[part], copy)
                self.io.bind_output(names.present[part], "cpu")
        self._held += states.bind_copies(self.io, session.state_names, first, len(past))

    def finish(self) -> None:
        """Copies what is new."""
        outputs: list[Any] = self.io.get_outputs()  # in the order in which they were bound
        places = [(layer, part) for layer in self._layers for part in range(2)]
        self._states.take_copies(outputs[len(places) :], self._first, len(self._past))
        for (layer, part), output in zip(places, outputs, strict=False):
            present: npt.NDArray[Any] = output.numpy()
            for row, length in enumerate(self._past):
                added = slice(length, length + self._new)
                layer[part, self._first + row, :, added] = present[row, :, added]


class _WithStates:
    """A pass over slots that have states, which are behind its tokens once it has run."""

    __slots__ = ("_bound", "_pass", "_states", "io")

    def __init__(
        self, bound: _BoundCopy | _BoundInPlace, states: SlotStates, first: int, past: Sequence[int], new: int
    ) -> None:
        self.io: Any = bound.io
        self._bound, self._states, self._pass = bound, states, (first, past, new)

    def finish(self) -> None:
        """Copies what was not written in place."""
        self._bound.finish()
        self._states.finish(*self._pass)


class HostPool(PoolBase):
    """A `KVPool`. `layers` are the slots: buffers of [2 (key, value), slots, heads, length, head size], one a layer.

    Memory is the operating system's own, page by page as it is written and given back at once, so that slots grow
    with what is really used. Bindings are kept until the memory that they are for moves.

    Raises UnsupportedModelError: a layer keeps the keys and values of a window only.
    """

    def __init__(
        self, spec: KVSpec, budget_bytes: int, block_budget_bytes: int = 0, checkpoint_budget_bytes: int = 0
    ) -> None:
        super().__init__(spec, budget_bytes, block_budget_bytes, checkpoint_budget_bytes)
        self.layers: list[Buffer] = [self._new_layer(state, 0, 0) for state in self.keys_and_values]
        self.states = SlotStates(spec.state_parts)
        """Recurrent states of the slots; none where every layer is attention."""
        self._slabs: list[list[Buffer]] = []
        self._checkpoints: list[list[Buffer]] = []
        self._prefixes: dict[int, _Prefix] = {}
        self._numbers = itertools.count()
        self._bindings: dict[tuple[Session, int, int, KVPrefix | None], _BoundInPlace] = {}

    # Slots.

    def _replace_layers(self, slots: int, length: int, spans: list[slice]) -> None:
        self._bindings.clear()
        self.states.resize(slots, len(spans))
        for index, (state, old) in enumerate(zip(self.keys_and_values, self.layers, strict=True)):
            new = self._new_layer(state, slots, length)
            for slot, span in enumerate(spans):
                new[:, slot, :, span] = old[:, slot, :, span]
            self.layers[index] = new

    def move(self, source: int, target: int, tokens: range) -> None:
        """Copies `tokens` of one slot to the same place in another."""
        self.copy_from(self, source, target, tokens)
        self.states.move(source, target)

    def copy_from(self, origin: Self, source: int, target: int, tokens: range) -> None:
        """Copies `tokens` of a slot of another pool to the same place in a slot of this one."""
        span = slice(tokens.start, tokens.stop)
        for to, layer in zip(self.layers, origin.layers, strict=True):
            to[:, target, :, span] = layer[:, source, :, span]

    def swap(self, first: int, first_tokens: range, second: int, second_tokens: range) -> None:
        """Exchanges two slots, of which each holds only these tokens."""
        one, other = (slice(tokens.start, tokens.stop) for tokens in (first_tokens, second_tokens))
        for layer in self.layers:
            kept = layer[:, first, :, one].copy()
            layer[:, first, :, other] = layer[:, second, :, other]
            layer[:, second, :, one] = kept
        self.states.swap(first, second)

    # Blocks: in slabs of several, whose layers are [blocks, 2 (key, value), heads, BLOCK_TOKENS, head size].

    def _add_slab(self, count: int) -> None:
        self._slabs.append(self._new_layers(BLOCK_TOKENS, count))

    def copy_out(self, slot: int, start: int, block: BlockId, tokens: int) -> None:
        """Copies so many tokens from `start` on out of a slot, to the first ones of a block."""
        slab, index = divmod(block, self.SLAB_BLOCKS)
        for storage, layer in zip(self._slabs[slab], self.layers, strict=True):
            storage[index, :, :, :tokens] = layer[:, slot, :, start : start + tokens]

    def copy_in(self, block: BlockId, slot: int, start: int, tokens: int) -> None:
        """Copies the first tokens of a block into a slot, from `start` on."""
        slab, index = divmod(block, self.SLAB_BLOCKS)
        for storage, layer in zip(self._slabs[slab], self.layers, strict=True):
            layer[:, slot, :, start : start + tokens] = storage[index, :, :, :tokens]

    # Checkpoints.

    def _add_checkpoint(self) -> None:
        self._checkpoints.append(self.states.new_checkpoint())

    def state_length(self, slot: int) -> int | None:
        """As in KVPool."""
        return self.states.lengths[slot]

    def save_states(self, slot: int, checkpoint: CheckpointId) -> None:
        """Copies a slot's states to a checkpoint."""
        self.states.save(slot, self._checkpoints[checkpoint])

    def restore_states(self, checkpoint: CheckpointId, slot: int, length: int) -> None:
        """Copies a checkpoint, which was taken behind `length` tokens, to a slot."""
        self.states.restore(self._checkpoints[checkpoint], slot, length)

    # Prefixes.

    @property
    def prefix_nbytes(self) -> int:
        """Bytes of the prefixes that were not freed."""
        return sum(layer.nbytes for prefix in self._prefixes.values() for layer in prefix.layers)

    def prefix_of_slot(self, slot: int, length: int) -> KVPrefix:
        """A prefix of its own memory, copied from a slot's first tokens."""
        prefix = self._new_prefix(length)
        for storage, layer in zip(self._prefixes[prefix.number].layers, self.layers, strict=True):
            storage[...] = layer[:, slot, :, :length]
        return prefix

    def prefix_of_blocks(self, blocks: Sequence[BlockId]) -> KVPrefix:
        """A prefix of its own memory, copied from whole blocks that follow each other."""
        prefix = self._new_prefix(len(blocks) * BLOCK_TOKENS)
        for number, block in enumerate(blocks):
            slab, index = divmod(block, self.SLAB_BLOCKS)
            span = slice(number * BLOCK_TOKENS, (number + 1) * BLOCK_TOKENS)
            for storage, layer in zip(self._prefixes[prefix.number].layers, self._slabs[slab], strict=True):
                storage[:, :, span] = layer[index]
        return prefix

    def copy_prefix(self, prefix: KVPrefix, slot: int) -> None:
        """Copies a prefix to the first tokens of a slot."""
        self._copy_prefix_from(self, prefix, slot)

    def free_prefix(self, prefix: KVPrefix) -> None:
        """Gives the memory of a prefix back."""
        del self._prefixes[prefix.number]
        self._bindings = {key: binding for key, binding in self._bindings.items() if key[3] != prefix}

    def prefill_pool(self, prefix: KVPrefix, length: int) -> Self:
        """A pool of the same kind with memory of its own: one slot for so many tokens, which begins with a prefix."""
        pool = type(self)(self.spec, self.bytes_of(1, length))
        pool.resize(1, length, kept=())
        pool._copy_prefix_from(self, prefix, 0)
        return pool

    def _copy_prefix_from(self, origin: Self, prefix: KVPrefix, slot: int) -> None:
        for layer, storage in zip(self.layers, origin._prefixes[prefix.number].layers, strict=True):
            layer[:, slot, :, : prefix.length] = storage

    def _new_prefix(self, length: int) -> KVPrefix:
        prefix = KVPrefix(next(self._numbers), length)
        layers = [layer[0] for layer in self._new_layers(length, 1)]
        self._prefixes[prefix.number] = _Prefix(layers, length)
        return prefix

    # Passes.

    @property
    def bindings(self) -> int:
        """Bindings that are kept."""
        return len(self._bindings)

    def bind(
        self,
        session: Session,
        first: int,
        past: Sequence[int],
        new: int,
        prefix: KVPrefix | None = None,
        piece: tuple[Self, int] | None = None,
    ) -> Binding:
        """As in KVPool; where the session computes in the host's memory, past and present are the slots' own."""
        if not self.spec.state_parts:
            return self._bind(session, first, past, new, prefix, piece)
        self.states.begin(first, past)
        return _WithStates(self._bind(session, first, past, new, prefix, piece), self.states, first, past, new)

    def _bind(
        self,
        session: Session,
        first: int,
        past: Sequence[int],
        new: int,
        prefix: KVPrefix | None,
        piece: tuple[Self, int] | None,
    ) -> _BoundCopy | _BoundInPlace:
        if not session.computes_in_host_memory:
            return _BoundCopy(self.layers, self.states, session, first, past, new)
        if piece is not None:  # seldom the same slots twice
            pool, slot = piece
            io = self._bind_in_place(session, first, len(past), prefix)
            pool._bind_slots(io, slice(slot, slot + 1), [(n.piece_past, n.piece_present) for n in session.names])
            return _BoundInPlace(io)
        key = (session, first, len(past), prefix)
        binding = self._bindings.get(key)
        if binding is None:
            io = self._bind_in_place(session, first, len(past), prefix)
            binding = self._bindings[key] = _BoundInPlace(io)
        return binding

    def _bind_in_place(self, session: Session, first: int, batch: int, prefix: KVPrefix | None) -> Any:
        io = session.io_binding()
        if prefix is not None:
            shared = self._prefixes[prefix.number]
            _bind_input(io, session.shared_length, shared.length)
            for values, names in zip(shared.layers, session.names, strict=True):
                for part, name in enumerate(names.shared):
                    _bind_input(io, name, values[part])
        names = [(names.past, names.present) for names in session.names]
        self._bind_slots(io, slice(first, first + batch), names, skipped=len(prefix or ()))
        self.states.bind(io, session.state_names, first, batch)
        return io

    def _bind_slots(
        self, io: Any, slots: slice, names: Sequence[tuple[tuple[str, str], tuple[str, str]]], *, skipped: int = 0
    ) -> None:
        """Binds slots, from the token `skipped` on, by the names of past and present in each layer."""
        for layer, (past, present) in zip(self.layers, names, strict=True):
            for part in range(2):
                view = layer[part, slots]
                # Tokens lie equally far apart in every head of every slot, so what follows the prefix has
                # the view's own shape; of what that puts behind the last slot's end nothing is touched.
                address = view.ctypes.data + skipped * view.strides[2]
                arguments = ("cpu", 0, view.dtype.type, view.shape, address)
                io.bind_input(past[part], *arguments)
                io.bind_output(present[part], *arguments)

    # Memory.

    def _new_layer(self, state: KeysAndValues, slots: int, length: int) -> Buffer:
        shape = (2, slots, state.heads, length, state.head_size)
        return allocate(math.prod(shape) * state.dtype.itemsize).view(state.dtype).reshape(shape)

    def _new_layers(self, tokens: int, count: int) -> list[Buffer]:
        """Room for `count` times so many tokens, in one piece: a layer [count, 2, heads, tokens, head size]."""
        memory = allocate(count * tokens * self.spec.bytes_per_token)
        layers: list[Buffer] = []
        for state in self.keys_and_values:
            size = count * tokens * state.bytes_per_token
            shape = (count, 2, state.heads, tokens, state.head_size)
            layers.append(memory[:size].view(state.dtype).reshape(shape))
            memory = memory[size:]
        return layers


def _bind_input(io: Any, name: str, values: npt.NDArray[Any]) -> None:
    """Binds the memory of `values`, which must be contiguous and outlive the binding."""
    io.bind_input(name, "cpu", 0, values.dtype.type, values.shape, values.ctypes.data)
