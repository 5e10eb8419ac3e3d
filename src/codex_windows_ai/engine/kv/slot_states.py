"""Recurrent states of a pool's slots, in the host's memory.

What is written in place is bound as past and present at once. The rest, the last inputs of convolutions, is read by
two operators of the graph, of which nothing says that the reader comes before the writer: a pass writes it to memory of
its own, from where it is copied, a few kilobytes a layer. A pass changes states for good, so each slot knows behind
how many tokens its states are: a pass that failed, or that is told another past, would answer nonsense.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from codex_windows_ai.engine.kv.host_memory import Buffer, allocate
from codex_windows_ai.engine.kv.pool import StatePart
from codex_windows_ai.errors import EngineError

StateNames = Sequence[tuple[str, str]]
"""Past and present of each part."""


class SlotStates:
    """`now` has of each part an array [slots, *shape]; `lengths`: the tokens that each slot's are behind, or None."""

    def __init__(self, parts: Sequence[StatePart]) -> None:
        self._parts = parts
        self.now: list[Buffer] = [_room(part, 0) for part in parts]
        self._next = list(self.now)
        """What a pass writes; of parts in place the same arrays."""
        self.lengths: list[int | None] = []

    # Slots.

    def resize(self, slots: int, kept: int) -> None:
        """Has so many slots, the first `kept` as they were. Raises MemoryError: nothing has changed."""
        if slots == len(self.lengths):
            return  # slots that grow longer have the states they had
        now = [_room(part, slots) for part in self._parts]
        following = [same if part.in_place else _room(part, slots) for part, same in zip(self._parts, now, strict=True)]
        for new, old in zip(now, self.now, strict=True):
            new[:kept] = old[:kept]
        self.now, self._next = now, following
        self.lengths = self.lengths[:kept] + [None] * (slots - kept)

    def move(self, source: int, target: int) -> None:
        """Copies one slot's states to another."""
        for states in self.now:
            states[target] = states[source]
        self.lengths[target] = self.lengths[source]

    def swap(self, first: int, second: int) -> None:
        """Exchanges two slots' states."""
        for states in self.now:
            states[[first, second]] = states[[second, first]]
        lengths = self.lengths
        lengths[first], lengths[second] = lengths[second], lengths[first]

    # Checkpoints.

    def new_checkpoint(self) -> list[Buffer]:
        """Memory for one slot's states. Raises MemoryError."""
        memory = allocate(sum(part.nbytes for part in self._parts))
        views: list[Buffer] = []
        for part in self._parts:
            views.append(memory[: part.nbytes].view(part.dtype).reshape(part.shape))
            memory = memory[part.nbytes :]
        return views

    def save(self, slot: int, checkpoint: list[Buffer]) -> None:
        """Copies a slot's states."""
        for kept, states in zip(checkpoint, self.now, strict=True):
            kept[...] = states[slot]

    def restore(self, checkpoint: list[Buffer], slot: int, length: int) -> None:
        """Copies what was saved behind `length` tokens to a slot."""
        for kept, states in zip(checkpoint, self.now, strict=True):
            states[slot] = kept
        self.lengths[slot] = length

    # Passes.

    def begin(self, first: int, past: Sequence[int]) -> None:
        """A pass is to go over the slots from `first` on, behind so many tokens each.

        Raises EngineError: a slot's states are behind others.
        """
        for slot, length in enumerate(past, first):
            if length and self.lengths[slot] != length:
                raise EngineError(
                    f"The states of slot {slot} are behind {self.lengths[slot]} tokens, not behind {length}."
                )
        for slot, length in enumerate(past, first):
            if not length:
                for states in self.now:
                    states[slot] = 0
            self.lengths[slot] = None

    def finish(self, first: int, past: Sequence[int], new: int) -> None:
        """The pass has run, over `new` tokens of each slot."""
        slots = slice(first, first + len(past))
        for now, written in zip(self.now, self._next, strict=True):
            if now is not written:
                now[slots] = written[slots]
        self.lengths[slots] = [length + new for length in past]

    def bind(self, io: Any, names: StateNames, first: int, count: int) -> None:
        """Binds the memory of so many slots, which stays where it is until `resize`."""
        slots = slice(first, first + count)
        for (past, present), now, written in zip(names, self.now, self._next, strict=True):
            for bind, name, view in ((io.bind_input, past, now[slots]), (io.bind_output, present, written[slots])):
                bind(name, "cpu", 0, view.dtype.type, view.shape, view.ctypes.data)

    def bind_copies(self, io: Any, names: StateNames, first: int, count: int) -> list[Buffer]:
        """Binds copies for a device; they must outlive the pass, and `take_copies` is to get what it gave."""
        copies = [np.ascontiguousarray(states[first : first + count]) for states in self.now]
        for (past, present), copy in zip(names, copies, strict=True):
            io.bind_cpu_input(past, copy)
            io.bind_output(present, "cpu")
        return copies

    def take_copies(self, outputs: Sequence[Any], first: int, count: int) -> None:
        """Copies what a device gave, in the order in which `bind_copies` bound it."""
        for written, output in zip(self._next, outputs, strict=False):
            written[first : first + count] = output.numpy()


def _room(part: StatePart, slots: int) -> Buffer:
    return allocate(slots * part.nbytes).view(part.dtype).reshape(slots, *part.shape)
