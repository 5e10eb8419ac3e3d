"""Which sequence has which row.

Rows that decode are neighbours: a decode pass is then one contiguous view of the buffers. The rows
around them read their prompts or are free. Moving a row costs a copy of all it holds, so rows move
only to keep those neighbours together, and the shorter one moves where there is a choice.
"""

from __future__ import annotations

from codex_windows_ai.engine.kv.host_pool import HostPool
from codex_windows_ai.engine.sequence import Phase, Sequence


class Slots:
    """The running sequences by row."""

    def __init__(self, rows: HostPool) -> None:
        self.rows = rows
        self._slots: list[Sequence | None] = []
        self._first: int = 0
        self._end: int = 0

    def __len__(self) -> int:
        return len(self.sequences)

    @property
    def sequences(self) -> list[Sequence]:
        """All that run, in the order of their rows."""
        return [sequence for sequence in self._slots if sequence is not None]

    @property
    def decoding(self) -> list[Sequence]:
        """Sequences past their prompts: the rows from the first one's on, without a gap."""
        return [sequence for sequence in self._slots[self._first : self._end] if sequence is not None]

    @property
    def prefilling(self) -> list[Sequence]:
        """Sequences that read their prompts, in the rows around."""
        return [sequence for sequence in self.sequences if sequence.phase is Phase.PREFILL]

    def has_room_for(self, sequence: Sequence) -> bool:
        """Whether the memory budget allows one more row, and rows as long as this one may get."""
        return self.rows.fits(len(self) + 1, max(self._longest(), sequence.longest))

    def add(self, sequence: Sequence) -> None:
        """Gives the sequence a free row. Where memory runs out meanwhile, it is in all the same, without any."""
        row = self._slots.index(None) if None in self._slots else len(self._slots)
        if row == len(self._slots):
            self._slots.append(None)
        self._place(sequence, row)
        sequence.phase = Phase.PREFILL
        if not self.rows.fits(max(len(self._slots), self.rows.rows), max(self._longest(), self.rows.length)):
            # Rows left long or many by sequences that ended; shrink them to what is in use.
            self._close_gaps()
            self.rows.resize(len(self._slots), self._used(), kept=self._kept())

    def reserve(self, tokens: int) -> None:
        """Makes room for that many tokens in every row."""
        self.rows.ensure(len(self._slots), tokens, kept=self._kept())

    def start_decoding(self, sequence: Sequence) -> None:
        """The sequence's prompt is read: its row joins those that decode."""
        row = sequence.row
        if self._first == self._end:
            self._first, self._end = row, row
        elif row not in (self._first - 1, self._end):
            neighbours = [n for n in (self._first - 1, self._end) if 0 <= n < len(self._slots)]
            row = min(neighbours, key=self._held)
            self._exchange(sequence, row)
        if row == self._end:
            self._end += 1
        else:
            self._first -= 1
        sequence.phase = Phase.DECODE

    def remove(self, sequence: Sequence) -> None:
        """Frees the sequence's row. If it lay among those that decode, the last of them moves there."""
        row = sequence.row
        self._slots[row] = None
        if self._first <= row < self._end:
            if row == self._first:
                self._first += 1
            else:
                self._end -= 1
                self._move(self._end, row)
        while self._slots and self._slots[-1] is None:
            self._slots.pop()
        if not self._slots:
            self._first, self._end = 0, 0
            self.rows.release()

    def _exchange(self, sequence: Sequence, row: int) -> None:
        other, old = self._slots[row], sequence.row
        if other is None:
            self._move(old, row)
        else:
            self.rows.swap_rows(old, sequence.in_row, row, other.in_row)
            self._place(other, old)
            self._place(sequence, row)

    def _close_gaps(self) -> None:
        """Moves rows up so that none is free between them; their order stays."""
        for target, sequence in enumerate(self.sequences):
            if sequence.row == self._first:
                self._first, self._end = target, target + self._end - self._first
            self._move(sequence.row, target)
        del self._slots[len(self) :]

    def _move(self, source: int, target: int) -> None:
        moved = self._slots[source]
        if source == target or moved is None:
            return
        if moved.in_row:  # with nothing computed the row may have no memory yet
            self.rows.copy_row(source, target, moved.in_row)
        self._slots[source] = None
        self._place(moved, target)

    def _place(self, sequence: Sequence, row: int) -> None:
        self._slots[row] = sequence
        sequence.row = row

    def _held(self, row: int) -> int:
        """Tokens that would have to be copied out of a row."""
        sequence = self._slots[row]
        return len(sequence.in_row) if sequence is not None else 0

    def _kept(self) -> list[range]:
        return [range(0) if sequence is None else sequence.in_row for sequence in self._slots]

    def _used(self) -> int:
        return max((sequence.computed for sequence in self.sequences), default=0)

    def _longest(self) -> int:
        return max((sequence.longest for sequence in self.sequences), default=0)
