"""A prefix that all decoding rows share, kept once so that a pass reads it once for all of them.

A decode pass reads every row's keys and values, which takes most of its time once histories are long.
Agents of one kind begin with the same instructions: their rows hold the same keys and values up to there.
The graph's part in this is `models/attention.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from codex_windows_ai.engine.kv_cache import KeyValueRows
from codex_windows_ai.engine.prefix_cache import BLOCK_TOKENS
from codex_windows_ai.engine.sequence import Sequence

_UNPROFITABLE_ROWS = 2  # what two rows save is what the plain products lose against GroupQueryAttention


class SharedPrefix:
    """Keys and values of `tokens`, for the graph's optional inputs."""

    def __init__(self, rows: KeyValueRows, row: int, tokens: list[int]) -> None:
        self.tokens = tokens
        shape = rows.shape
        size = (shape.layers, 2, shape.key_value_heads, len(tokens), shape.head_size)
        self._storage = np.empty(size, dtype=shape.dtype)
        rows.read(row, 0, self._storage)
        self.inputs: dict[str, npt.NDArray[np.generic]] = {"shared_length": np.array([len(tokens)], np.int64)}
        """By name; `shared.N.key` and `.value` are [heads, tokens, head size]."""
        for layer, (part, name) in itertools.product(range(shape.layers), enumerate(("key", "value"))):
            self.inputs[f"shared.{layer}.{name}"] = self._storage[layer, part]

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def nbytes(self) -> int:
        """Bytes of keys and values."""
        return self._storage.nbytes


class SharedPrefixes:
    """Finds what the rows of a pass share, where that saves reading `least_saving` tokens.

    A prefix is whole blocks. It holds at most one, within its budget. `forget` lets go of what else holds a prefix's
    memory; it is called when a prefix is of no more use.
    """

    def __init__(self, rows: KeyValueRows, budget_bytes: int, least_saving: int, *, forget: Callable[[], None]) -> None:
        self._rows = rows
        self._least_saving = least_saving
        self._forget = forget
        self._longest = budget_bytes // rows.shape.bytes_per_token
        self._held: SharedPrefix | None = None
        self._members: list[Sequence] = []
        self._usable = False

    @property
    def nbytes(self) -> int:
        """Bytes held now."""
        return self._held.nbytes if self._held is not None else 0

    def of(self, sequences: list[Sequence]) -> SharedPrefix | None:
        """What these sequences share, or None where reading it in every row is as good.

        Seeded requests are answered with the same bits whoever else runs, so a pass with one has none.
        """
        if sequences != self._members:
            self._usable = self._find(sequences)
            self._members = list(sequences)
        return self._held if self._usable else None

    def release(self) -> None:
        """Gives the memory back."""
        self._members, self._usable = [], False
        if self._held is not None:
            self._held = None
            self._forget()

    def _find(self, sequences: list[Sequence]) -> bool:
        if any(sequence.exact for sequence in sequences):
            return False
        length = min(self._longest, *(sequence.computed - 1 for sequence in sequences), _common_length(sequences))
        length = length // BLOCK_TOKENS * BLOCK_TOKENS
        if (len(sequences) - _UNPROFITABLE_ROWS) * length < self._least_saving:
            return False
        tokens = sequences[0].tokens[:length]
        if self._held is None or self._held.tokens != tokens:
            self.release()  # first, so that there are never two
            self._held = SharedPrefix(self._rows, sequences[0].row, tokens)
        return True


def _common_length(sequences: list[Sequence]) -> int:
    """Tokens that all of them begin with: what the first and the last in lexical order begin with."""
    tokens = [sequence.tokens for sequence in sequences]
    first, last = min(tokens), max(tokens)
    unlike = (index for index, (one, other) in enumerate(zip(first, last, strict=False)) if one != other)
    return next(unlike, min(len(first), len(last)))
