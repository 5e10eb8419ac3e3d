"""A row that begins with a prefix: in it prompts are read whose own rows do not hold that prefix.

Attention reads a row from its start. So that a sequence need not copy a long prefix into its row only to
have its prompt read, the prompt is read here, behind the one copy, and what is new goes to its row.
"""

from __future__ import annotations

from codex_windows_ai.engine.kv_cache import Buffer, KeyValueRows, KeyValueShape
from codex_windows_ai.engine.sequence import Sequence


class ReadingRow:
    """`prefix` is [layers, 2, heads, tokens, head size]."""

    def __init__(self, shape: KeyValueShape, prefix: Buffer, longest: int) -> None:
        self._rows = KeyValueRows(shape, self.bytes_of(shape, longest))
        self._prefix_length = prefix.shape[3]
        self._rows.ensure(1, longest, kept=())
        self._rows.write(0, 0, prefix)
        self._holder: Sequence | None = None
        self._held = 0

    @staticmethod
    def bytes_of(shape: KeyValueShape, length: int) -> int:
        """What a row of that length takes."""
        step = KeyValueRows.LENGTH_STEP
        return -(-length // step) * step * shape.bytes_per_token

    @property
    def nbytes(self) -> int:
        """Bytes held now."""
        return self._rows.nbytes

    def load(self, sequence: Sequence, rows: KeyValueRows) -> KeyValueRows:
        """The row, as row 0, with everything of the sequence that is computed; `rows` holds what it did not borrow."""
        if self._holder is not sequence or self._held != sequence.computed:
            self._rows.copy_row(sequence.row, 0, sequence.in_row, rows)
        self._holder = None  # until `store`: a pass that fails leaves what nobody knows
        return self._rows

    def store(self, sequence: Sequence, tokens: range, rows: KeyValueRows) -> None:
        """Copies what a pass computed to the sequence's own row."""
        rows.copy_row(0, sequence.row, tokens, self._rows)
        self._holder, self._held = sequence, tokens.stop
