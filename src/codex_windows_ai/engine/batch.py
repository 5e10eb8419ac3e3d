"""Which sequence has which row.

Rows that decode come first, rows that still read their prompt follow, and there are no holes: a
decode pass is then one contiguous view of the buffers. Moving a row is a copy of what it holds.
"""

from __future__ import annotations

from codex_windows_ai.engine.kv_cache import KeyValueRows
from codex_windows_ai.engine.sequence import Phase, Sequence


class Batch:
    """The running sequences, in the order of their rows."""

    def __init__(self, rows: KeyValueRows) -> None:
        self.rows = rows
        self.sequences: list[Sequence] = []
        self._decoding = 0

    def __len__(self) -> int:
        return len(self.sequences)

    @property
    def decoding(self) -> list[Sequence]:
        """Sequences past their prompts: rows 0 to n-1."""
        return self.sequences[: self._decoding]

    @property
    def prefilling(self) -> list[Sequence]:
        """Sequences that read their prompts, in the rows behind."""
        return self.sequences[self._decoding :]

    def has_room_for(self, sequence: Sequence) -> bool:
        """Whether the memory budget allows one more row, and rows as long as this one may get."""
        return self.rows.fits(len(self) + 1, self._longest(sequence))

    def add(self, sequence: Sequence) -> None:
        """Gives the sequence the last row."""
        sequence.row = len(self)
        sequence.phase = Phase.PREFILL
        self.sequences.append(sequence)
        if not self.rows.fits(max(len(self), self.rows.rows), max(self._longest(sequence), self.rows.length)):
            # Buffers left long or many by sequences that ended; shrink them to what is in use.
            self.rows.resize(sequence.row, max(other.computed for other in self.sequences))

    def reserve(self, sequence: Sequence, tokens: int) -> None:
        """Makes room for that many tokens in the sequence's row."""
        self.rows.ensure(len(self), tokens)

    def start_decoding(self, sequence: Sequence) -> None:
        """Moves the sequence's row behind those that decode already."""
        other = self.sequences[self._decoding]
        if other is not sequence:
            self.rows.swap_rows(sequence.row, other.row, max(sequence.computed, other.computed))
            self._place(other, sequence.row)
            self._place(sequence, self._decoding)
        self._decoding += 1
        sequence.phase = Phase.DECODE

    def remove(self, sequence: Sequence) -> None:
        """Frees the sequence's row; the last row of each kind moves up into the hole."""
        hole = sequence.row
        if hole < self._decoding:
            self._decoding -= 1
            self._move(self._decoding, hole)
            hole = self._decoding
        self._move(len(self) - 1, hole)
        self.sequences.pop()
        if not self.sequences:
            self.rows.release()

    def _move(self, source: int, target: int) -> None:
        if source != target:
            moved = self.sequences[source]
            if moved.computed:  # else it may have no memory yet
                self.rows.copy_row(source, target, moved.computed)
            self._place(moved, target)

    def _place(self, sequence: Sequence, row: int) -> None:
        self.sequences[row] = sequence
        sequence.row = row

    def _longest(self, sequence: Sequence) -> int:
        return max(other.longest for other in [*self.sequences, sequence])
