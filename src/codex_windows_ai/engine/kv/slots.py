"""Which sequence has which slot of the pool.

Slots of sequences that decode are neighbours: a decode pass is then one contiguous view of the pool. Around them
are those whose prompts are read, and free ones. Moving a slot costs a copy of all it holds, so slots move
only to keep those neighbours together, and the shorter one moves where there is a choice.
"""

from __future__ import annotations

from codex_windows_ai.engine.kv.pool import KVPool
from codex_windows_ai.engine.sequence import Phase, Sequence


class Slots:
    """The running sequences by slot."""

    def __init__(self, pool: KVPool) -> None:
        self.pool = pool
        self._slots: list[Sequence | None] = []
        self._first: int = 0
        self._end: int = 0

    def __len__(self) -> int:
        return len(self.sequences)

    @property
    def sequences(self) -> list[Sequence]:
        """All that run, in the order of their slots."""
        return [sequence for sequence in self._slots if sequence is not None]

    @property
    def decoding(self) -> list[Sequence]:
        """Sequences past their prompts: the slots from the first one's on, without a gap."""
        return [sequence for sequence in self._slots[self._first : self._end] if sequence is not None]

    @property
    def prefilling(self) -> list[Sequence]:
        """Sequences whose prompts are read, in the slots around."""
        return [sequence for sequence in self.sequences if sequence.phase is Phase.PREFILL]

    def has_room_for(self, sequence: Sequence) -> bool:
        """Whether the memory budget allows one more slot, and slots as long as this one may get."""
        return self.pool.fits(len(self) + 1, max(self._longest(), sequence.longest))

    def allocate_slot(self, sequence: Sequence) -> None:
        """Gives the sequence a free slot. Where memory runs out meanwhile, it is in all the same, without any."""
        slot = self._slots.index(None) if None in self._slots else len(self._slots)
        if slot == len(self._slots):
            self._slots.append(None)
        self._place(sequence, slot)
        sequence.phase = Phase.PREFILL
        if not self.pool.fits(max(len(self._slots), self.pool.slots), max(self._longest(), self.pool.length)):
            # Slots left long or many by sequences that ended; shrink them to what is in use.
            self._close_gaps()
            self.pool.resize(len(self._slots), self._used(), kept=self._kept())

    def reserve(self, tokens: int) -> None:
        """Makes room for that many tokens in every slot."""
        self.pool.reserve(len(self._slots), tokens, kept=self._kept())

    def start_decoding(self, sequence: Sequence) -> None:
        """The sequence's prompt is read: its slot joins those that decode."""
        slot = sequence.slot
        if self._first == self._end:
            self._first, self._end = slot, slot
        elif slot not in (self._first - 1, self._end):
            neighbours = [n for n in (self._first - 1, self._end) if 0 <= n < len(self._slots)]
            slot = min(neighbours, key=self._held)
            self._exchange(sequence, slot)
        if slot == self._end:
            self._end += 1
        else:
            self._first -= 1
        sequence.phase = Phase.DECODE

    def free_slot(self, sequence: Sequence) -> None:
        """Frees the sequence's slot. If it lay among those that decode, the last of them moves there."""
        slot = sequence.slot
        self._slots[slot] = None
        if self._first <= slot < self._end:
            if slot == self._first:
                self._first += 1
            else:
                self._end -= 1
                self._move(self._end, slot)
        while self._slots and self._slots[-1] is None:
            self._slots.pop()
        if not self._slots:
            self._first, self._end = 0, 0
            self.pool.release()

    def _exchange(self, sequence: Sequence, slot: int) -> None:
        other, old = self._slots[slot], sequence.slot
        if other is None:
            self._move(old, slot)
        else:
            self.pool.swap(old, sequence.in_slot, slot, other.in_slot)
            self._place(other, old)
            self._place(sequence, slot)

    def _close_gaps(self) -> None:
        """Moves slots up so that none is free between them; their order stays."""
        for target, sequence in enumerate(self.sequences):
            if sequence.slot == self._first:
                self._first, self._end = target, target + self._end - self._first
            self._move(sequence.slot, target)
        del self._slots[len(self) :]

    def _move(self, source: int, target: int) -> None:
        moved = self._slots[source]
        if source == target or moved is None:
            return
        if moved.in_slot:  # with nothing computed the slot may have no memory yet
            self.pool.move(source, target, moved.in_slot)
        self._slots[source] = None
        self._place(moved, target)

    def _place(self, sequence: Sequence, slot: int) -> None:
        self._slots[slot] = sequence
        sequence.slot = slot

    def _held(self, slot: int) -> int:
        """Tokens that would have to be copied out of a slot."""
        sequence = self._slots[slot]
        return len(sequence.in_slot) if sequence is not None else 0

    def _kept(self) -> list[range]:
        return [range(0) if sequence is None else sequence.in_slot for sequence in self._slots]

    def _used(self) -> int:
        return max((sequence.computed for sequence in self.sequences), default=0)

    def _longest(self) -> int:
        return max((sequence.longest for sequence in self.sequences), default=0)
