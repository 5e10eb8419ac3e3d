"""A prefix that all running sequences share, kept once: a decode pass reads it once for all rows.

A decode pass reads every row's keys and values, which takes most of its time once histories are long.
Agents of one kind begin with the same instructions: their rows would hold the same keys and values up to
there. So a sequence that starts while others run that begin alike borrows the prefix: its row stays empty up to
there, which saves the copy and the memory. Where a pass cannot use the prefix, because somebody in it
begins otherwise or is seeded, those who borrowed it get their copies after all. The graph's part in this is
`models/attention.py`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from functools import partial
from typing import Self

import numpy as np
import numpy.typing as npt

from codex_windows_ai.engine.kv.host_pool import Buffer, HostPool, KVSpec, allocate
from codex_windows_ai.engine.kv.prefix_cache import BLOCK_TOKENS, Block, common_length
from codex_windows_ai.engine.sequence import Sequence

_UNPROFITABLE_ROWS = 2  # what two rows save is what the plain products lose against GroupQueryAttention
_PATIENT_PASSES = 16  # as long few rows use the prefix though it costs more: others may join them soon


class PrefillSlot:
    """`prefix` is [layers, 2, heads, tokens, head size]."""

    def __init__(self, shape: KVSpec, prefix: Buffer, longest: int) -> None:
        self._rows = HostPool(shape, self.bytes_of(shape, longest))
        self._prefix_length = prefix.shape[3]
        self._rows.ensure(1, longest, kept=())
        self._rows.write(0, 0, prefix)
        self._holder: Sequence | None = None
        self._held = 0

    @staticmethod
    def bytes_of(shape: KVSpec, length: int) -> int:
        """What a row of that length takes."""
        step = HostPool.LENGTH_STEP
        return -(-length // step) * step * shape.bytes_per_token

    @property
    def nbytes(self) -> int:
        """Bytes held now."""
        return self._rows.nbytes

    def load(self, sequence: Sequence, rows: HostPool) -> HostPool:
        """The row, as row 0, with everything of the sequence that is computed; `rows` holds what it did not borrow."""
        if self._holder is not sequence or self._held != sequence.computed:
            self._rows.copy_row(sequence.row, 0, sequence.in_row, rows)
        self._holder = None  # until `store`: a pass that fails leaves what nobody knows
        return self._rows

    def store(self, sequence: Sequence, tokens: range, rows: HostPool) -> None:
        """Copies what a pass computed to the sequence's own row."""
        rows.copy_row(0, sequence.row, tokens, self._rows)
        self._holder, self._held = sequence, tokens.stop


class SharedPrefix:
    """Keys and values of `tokens`, for the graph's optional inputs; `fill` writes them.

    `fill` is given room for [layers, 2, heads, tokens, head size]. The first `exact_length` tokens were prefilled on
    nothing but prefilled history.
    """

    def __init__(self, shape: KVSpec, tokens: list[int], fill: Callable[[Buffer], None], *, exact_length: int) -> None:
        self.tokens = tokens
        self.exact_length = exact_length
        self._shape = shape
        length = len(tokens)
        self._storage = allocate((shape.layers, 2, shape.key_value_heads, length, shape.head_size), shape.dtype)
        fill(self._storage)
        self._reading_row: PrefillSlot | None = None
        self.inputs: dict[str, npt.NDArray[np.generic]] = {"shared_length": np.array([length], np.int64)}
        """By name; `shared.N.key` and `.value` are [heads, tokens, head size]."""
        for layer, (part, name) in itertools.product(range(self._shape.layers), enumerate(("key", "value"))):
            self.inputs[f"shared.{layer}.{name}"] = self._storage[layer, part]

    @classmethod
    def of_row(cls, rows: HostPool, sequence: Sequence, length: int) -> Self:
        """What a sequence's row begins with."""
        exact_length = min(length, sequence.exact_length)
        return cls(rows.shape, sequence.tokens[:length], partial(rows.read, sequence.row, 0), exact_length=exact_length)

    @classmethod
    def of_blocks(cls, shape: KVSpec, blocks: list[Block]) -> Self:
        """What blocks of the prefix cache hold that follow each other."""

        def fill(storage: Buffer) -> None:
            for index, block in enumerate(blocks):
                storage[:, :, :, index * BLOCK_TOKENS : (index + 1) * BLOCK_TOKENS] = block.storage

        tokens = [token for block in blocks for token in block.tokens]
        exact = sum(block.exact for block in blocks)  # behind the first that is not, none is
        return cls(shape, tokens, fill, exact_length=exact * BLOCK_TOKENS)

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def nbytes(self) -> int:
        """Bytes of keys and values."""
        return self._storage.nbytes + (self._reading_row.nbytes if self._reading_row else 0)

    @property
    def longest_borrower(self) -> int:
        """Tokens of the longest prompt that is worth reading behind it: with more of its own it reads its own row."""
        return 2 * len(self)

    @property
    def nbytes_lent(self) -> int:
        """Bytes it takes when somebody borrows it."""
        return self._storage.nbytes + PrefillSlot.bytes_of(self._shape, self.longest_borrower)

    @property
    def reading_row(self) -> PrefillSlot:
        """Where those who borrow it read their prompts."""
        if self._reading_row is None:
            self._reading_row = PrefillSlot(self._shape, self._storage, self.longest_borrower)
        return self._reading_row

    def write(self, rows: HostPool, row: int) -> None:
        """Copies it to the start of a row."""
        rows.write(row, 0, self._storage)


class SharedPrefixes:
    """Finds what sequences share, where that saves reading `least_saving` tokens a pass.

    A prefix is whole blocks. It holds at most one, within its budget. `forget` lets go of what else holds a prefix's
    memory; it is called when a prefix is of no more use.
    """

    def __init__(self, rows: HostPool, budget_bytes: int, least_saving: int, *, forget: Callable[[], None]) -> None:
        self._rows = rows
        self._budget_bytes = budget_bytes
        self._least_saving = least_saving
        self._forget = forget
        self._longest = budget_bytes // rows.shape.bytes_per_token
        self._held: SharedPrefix | None = None
        self._borrowers: list[Sequence] = []
        self._members: list[Sequence] = []
        self._usable = False
        self._patience = 0

    @property
    def nbytes(self) -> int:
        """Bytes held now."""
        return self._held.nbytes if self._held is not None else 0

    def of(self, sequences: list[Sequence]) -> SharedPrefix | None:
        """What the rows of a decode pass share, or None where reading it in every row is as good.

        Seeded requests are answered with the same bits whoever else runs, so a pass with one has none. Without
        a prefix every row is whole afterwards.
        """
        if sequences != self._members:
            self._usable = self._find(sequences)
            self._members = list(sequences)
        if self._usable:
            return self._held
        if any(sequence.borrowed for sequence in sequences):
            if self._patience and self._serves(sequences):
                self._patience -= 1
                return self._held
            for sequence in sequences:
                self.complete(sequence)
        return None

    def lend(self, sequence: Sequence, running: list[Sequence], cached: list[Block]) -> SharedPrefix | None:
        """What a sequence that has nothing computed need not copy, of the `cached` blocks that it could.

        All that are `running` begin with it. The caller has the sequence follow the cache's blocks of it.
        """
        if any(one.exact for one in running) or sequence.computed:
            return None
        if self._held is None or not all(one.begins_with(self._held.tokens) for one in running):
            blocks = cached[: min(self._longest, _common_length(running)) // BLOCK_TOKENS]
            if not self._pays(len(running), len(blocks) * BLOCK_TOKENS):
                return None
            self._give_up()
            self._held = SharedPrefix.of_blocks(self._rows.shape, blocks)
        held = self._held
        if (
            len(held) > len(cached) * BLOCK_TOKENS
            or sequence.given_length > held.longest_borrower
            or held.nbytes_lent > self._budget_bytes
        ):
            return None
        sequence.borrowed = len(held)
        self._borrowers.append(sequence)
        if self._pays(len(running), len(held)):
            self._patience = _PATIENT_PASSES
        return held

    def reading_row(self) -> PrefillSlot:
        """Where the prompts of those are read who borrowed the prefix."""
        assert self._held is not None  # noqa: S101  # somebody borrowed it
        return self._held.reading_row

    def complete(self, sequence: Sequence) -> None:
        """Makes a row whole: what it borrowed is copied to it."""
        if sequence.borrowed and self._held is not None:
            self._held.write(self._rows, sequence.row)
            self.leave(sequence)

    def leave(self, sequence: Sequence) -> None:
        """A sequence ends, or has what it borrowed."""
        if sequence.borrowed:
            sequence.borrowed = 0
            self._borrowers.remove(sequence)

    def release(self) -> None:
        """Gives the memory back; nobody may be left who borrows it."""
        self._members, self._usable = [], False
        if self._held is not None:
            self._held = None
            self._forget()

    def _find(self, sequences: list[Sequence]) -> bool:
        if any(sequence.exact for sequence in sequences):
            return False
        if self._borrowers and self._held is not None and self._serves(sequences):
            return self._pays(len(sequences), len(self._held))
        shortest = min(sequence.computed - 1 for sequence in sequences)
        length = min(self._longest, shortest, _common_length(sequences)) // BLOCK_TOKENS * BLOCK_TOKENS
        if not self._pays(len(sequences), length):
            return False
        if self._held is None or self._held.tokens != sequences[0].tokens[:length]:
            self._give_up()
            self._held = SharedPrefix.of_row(self._rows, sequences[0], length)
        return True

    def _give_up(self) -> None:
        """Lets go of the prefix, before there is another: there are never two."""
        for borrower in list(self._borrowers):
            self.complete(borrower)
        self.release()

    def _serves(self, sequences: list[Sequence]) -> bool:
        held = self._held
        return held is not None and all(
            not sequence.exact and sequence.computed > len(held) and sequence.begins_with(held.tokens)
            for sequence in sequences
        )

    def _pays(self, rows: int, length: int) -> bool:
        return (rows - _UNPROFITABLE_ROWS) * length >= self._least_saving


def _common_length(sequences: list[Sequence]) -> int:
    """Tokens that all of them begin with: what the first and the last in lexical order begin with."""
    tokens = [sequence.tokens for sequence in sequences]
    return common_length(min(tokens), max(tokens))
