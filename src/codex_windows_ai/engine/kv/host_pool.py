"""Keys and values of the sequences that run: one row each in buffers that all layers share.

The session reads its past from these buffers and writes the present into the same memory, so a
step copies nothing. A row is contiguous, so one sequence can be prefilled alone and then decode
in a batch with others; the rows that decode together are always the first ones.
"""

from __future__ import annotations

import itertools
import math
import mmap
import sys
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from codex_windows_ai.errors import EngineError

Buffer = npt.NDArray[np.generic]

_generations = itertools.count()


@dataclass(frozen=True, slots=True)
class KVSpec:
    """What one token's keys and values look like in every layer."""

    layers: int
    key_value_heads: int
    head_size: int
    dtype: np.dtype[np.generic]

    @property
    def bytes_per_token(self) -> int:
        """Bytes that one token of context costs, keys and values of all layers."""
        return self.layers * 2 * self.key_value_heads * self.head_size * self.dtype.itemsize


def allocate(shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> Buffer:
    """Zeros in memory of the operating system's own: it takes room as it is written, and is given back at once."""
    size = dtype.itemsize * math.prod(shape)
    if size == 0:
        return np.empty(shape, dtype=dtype)
    if sys.platform == "linux":
        # Shared memory, mmap's default, takes half as long again to touch for the first time.
        memory = mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        # A row is many stripes, each touched from its start: huge pages would fill all of it at once. Where
        # everything is written, as in blocks of the prefix cache, finding huge pages takes three times as long.
        memory.madvise(mmap.MADV_NOHUGEPAGE)
    else:
        memory = mmap.mmap(-1, size)
    return np.frombuffer(memory, dtype=dtype).reshape(shape)


class HostPool:
    """Buffers of shape [2 (key, value), rows, heads, length, head size], one a layer.

    Memory is the operating system's own, page by page as it is written and given back at once.
    They grow by `LENGTH_STEP` tokens with what is really used, layer by layer, so that growing
    never needs more than one layer twice. `generation` names one state of the memory, unlike any
    other of any rows: it changes whenever memory moved.
    """

    LENGTH_STEP = 256
    FEWEST_ROWS = 4

    def __init__(self, shape: KVSpec, budget_bytes: int) -> None:
        self.shape = shape
        self.budget_bytes = budget_bytes
        self.rows = 0
        self.length = 0
        self.generation = next(_generations)
        self.layers: list[Buffer] = [self._allocate(0, 0) for _ in range(shape.layers)]

    def fits(self, rows: int, length: int) -> bool:
        """Whether that many rows of that length stay within the budget."""
        return self._bytes(rows, length) <= self.budget_bytes

    @property
    def max_sequence_length(self) -> int:
        """Tokens of the longest single row within the budget."""
        return self.budget_bytes // self.shape.bytes_per_token // self.LENGTH_STEP * self.LENGTH_STEP

    @property
    def nbytes(self) -> int:
        """Bytes held now."""
        return self._bytes(self.rows, self.length)

    def ensure(self, rows: int, length: int, *, kept: Sequence[range]) -> None:
        """Grows to at least that many rows and tokens a row; `kept` says which tokens of each row to keep.

        Raises EngineError: it would exceed the budget (admission should have prevented it).
        """
        if rows <= self.rows and length <= self.length:
            return
        length = max(length, self.length)
        # Growing copies everything, while rows that nobody uses cost address space only.
        ample = self.rows if rows <= self.rows else max(rows, 2 * self.rows, self.FEWEST_ROWS)
        self.resize(ample if self.fits(ample, length) else rows, length, kept=kept)

    def resize(self, rows: int, length: int, *, kept: Sequence[range]) -> None:
        """Changes to that many rows of that length; of what lies inside both, the tokens `kept` of each row stay.

        Raises EngineError: it would exceed the budget.
        """
        length = self._rounded(length)
        if not self.fits(rows, length):
            raise EngineError(
                f"{rows} sequences of {length} tokens need {self._bytes(rows, length):,} bytes of keys and values, "
                f"the budget is {self.budget_bytes:,}."
            )
        # Should memory run out between two layers, what both sizes hold stays sound.
        self.rows, self.length = min(rows, self.rows), min(length, self.length)
        spans = [slice(span.start, min(span.stop, self.length)) for span in kept[: self.rows]]
        self.generation = next(_generations)
        for index, old in enumerate(self.layers):
            new = self._allocate(rows, length)
            for row, span in enumerate(spans):
                new[:, row, :, span] = old[:, row, :, span]
            self.layers[index] = new
        self.rows, self.length = rows, length

    def release(self) -> None:
        """Gives all memory back; for when nothing runs."""
        self.resize(0, 0, kept=())

    def copy_row(self, source: int, target: int, tokens: range, origin: HostPool | None = None) -> None:
        """Copies `tokens` of one row, of `origin` or of these rows, to the same place in another of these rows."""
        span = slice(tokens.start, tokens.stop)
        for to, layer in zip(self.layers, (origin or self).layers, strict=True):
            to[:, target, :, span] = layer[:, source, :, span]

    def swap_rows(self, first: int, first_tokens: range, second: int, second_tokens: range) -> None:
        """Exchanges two rows, of which each holds only these tokens."""
        one, other = (slice(tokens.start, tokens.stop) for tokens in (first_tokens, second_tokens))
        for layer in self.layers:
            kept = layer[:, first, :, one].copy()
            layer[:, first, :, other] = layer[:, second, :, other]
            layer[:, second, :, one] = kept

    def read(self, row: int, start: int, block: Buffer) -> None:
        """Copies tokens from `start` on into `block` [layers, 2, heads, tokens, head size]."""
        end = start + block.shape[3]
        for index, layer in enumerate(self.layers):
            block[index] = layer[:, row, :, start:end]

    def write(self, row: int, start: int, block: Buffer) -> None:
        """Copies `block` [layers, 2, heads, tokens, head size] to the tokens from `start` on."""
        end = start + block.shape[3]
        for index, layer in enumerate(self.layers):
            layer[:, row, :, start:end] = block[index]

    def _allocate(self, rows: int, length: int) -> Buffer:
        shape = (2, rows, self.shape.key_value_heads, length, self.shape.head_size)
        return allocate(shape, self.shape.dtype)

    def _bytes(self, rows: int, length: int) -> int:
        return rows * self._rounded(length) * self.shape.bytes_per_token

    def _rounded(self, length: int) -> int:
        return -(-length // self.LENGTH_STEP) * self.LENGTH_STEP
