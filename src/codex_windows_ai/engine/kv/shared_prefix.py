"""A prefix that all running sequences share, kept once: a decode pass reads it once for all slots.

A decode pass reads every slot's keys and values, which takes most of its time once histories are long.
Agents of one kind begin with the same instructions: their slots would hold the same keys and values up to
there. So a sequence that starts while others run that begin alike has the prefix attached: its slot stays empty up
to there, which saves the copy and the memory. Where a pass cannot use the prefix, because a sequence in it
begins otherwise or is seeded, it is detached: those sequences get their copies after all. The graph's part in this,
cascade attention, is `models/blocks/attention.py`.
"""

from __future__ import annotations

from typing import Self

from codex_windows_ai.engine.kv.pool import BLOCK_TOKENS, KVPool, KVPrefix
from codex_windows_ai.engine.kv.prefix_cache import Block, common_length
from codex_windows_ai.engine.sequence import Sequence

_UNPROFITABLE_SLOTS = 2  # what two slots save is what the plain products lose against GroupQueryAttention
_PATIENT_PASSES = 16  # as long few sequences use the prefix though it costs more: others may join them soon


class PrefillSlot:
    """A slot of its own that begins with a prefix: in it prompts are read to which that prefix is attached.

    Attention reads a slot from its start. So that a sequence need not copy a long prefix into its slot only to
    have its prompt read, the prompt is read here, behind the one copy, and what is new goes to its slot.
    """

    def __init__(self, pool: KVPool, prefix: KVPrefix, longest: int) -> None:
        self._pool = pool
        self._own = pool.prefill_pool(prefix, longest)
        self._holder: Sequence | None = None
        self._held = 0

    @property
    def nbytes(self) -> int:
        """Bytes held now."""
        return self._own.nbytes

    @property
    def holder(self) -> Sequence | None:
        """The sequence that it holds everything of; None while a pass runs, and after one that failed."""
        return self._holder

    def load(self, sequence: Sequence) -> KVPool:
        """The slot, as slot 0, with everything of the sequence that is computed."""
        if self._holder is not sequence or self._held != sequence.computed:
            self._own.copy_from(self._pool, sequence.slot, 0, sequence.in_slot)
        self._holder = None  # until `store`: what a pass that fails leaves here is of no use
        return self._own

    def store(self, sequence: Sequence, tokens: range) -> None:
        """Copies what a pass computed to the sequence's own slot."""
        self._pool.copy_from(self._own, 0, sequence.slot, tokens)
        self._holder, self._held = sequence, tokens.stop


class SharedPrefix:
    """Keys and values of `tokens`. The first `exact_length` were prefilled on nothing but prefilled history."""

    def __init__(self, pool: KVPool, handle: KVPrefix, tokens: list[int], *, exact_length: int) -> None:
        self.tokens = tokens
        self.exact_length = exact_length
        self.handle = handle
        self._pool = pool
        self._prefill_slot: PrefillSlot | None = None

    @classmethod
    def of_slot(cls, pool: KVPool, sequence: Sequence, length: int) -> Self:
        """What a sequence's slot begins with."""
        handle = pool.prefix_of_slot(sequence.slot, length)
        return cls(pool, handle, sequence.tokens[:length], exact_length=min(length, sequence.exact_length))

    @classmethod
    def of_blocks(cls, pool: KVPool, blocks: list[Block]) -> Self:
        """What blocks of the prefix cache hold that follow each other."""
        handle = pool.prefix_of_blocks([block.storage for block in blocks])
        tokens = [token for block in blocks for token in block.tokens]
        exact = sum(block.exact for block in blocks)  # behind the first that is not, none is
        return cls(pool, handle, tokens, exact_length=exact * BLOCK_TOKENS)

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def nbytes(self) -> int:
        """Bytes of keys and values."""
        own = len(self) * self._pool.spec.bytes_per_token
        return own + (self._prefill_slot.nbytes if self._prefill_slot else 0)

    @property
    def longest_prompt(self) -> int:
        """Tokens of the longest prompt that it is worth attaching to: with more of its own it is read in its slot."""
        return 2 * len(self)

    @property
    def nbytes_attached(self) -> int:
        """Bytes it takes once it is attached to a sequence."""
        return len(self) * self._pool.spec.bytes_per_token + self._pool.bytes_of(1, self.longest_prompt)

    @property
    def prefill_slot(self) -> PrefillSlot:
        """Where the prompts are read that it is attached to."""
        if self._prefill_slot is None:
            self._prefill_slot = PrefillSlot(self._pool, self.handle, self.longest_prompt)
        return self._prefill_slot


class SharedPrefixes:
    """Finds what sequences share, where that saves reading `least_saving` tokens a pass.

    A prefix is whole blocks. It holds at most one, within its budget.
    """

    def __init__(self, pool: KVPool, budget_bytes: int, least_saving: int) -> None:
        self._pool = pool
        self._budget_bytes = budget_bytes
        self._least_saving = least_saving
        self._longest = budget_bytes // pool.spec.bytes_per_token
        self._held: SharedPrefix | None = None
        self._attached: list[Sequence] = []
        self._members: list[Sequence] = []
        self._usable = False
        self._patience = 0

    @property
    def nbytes(self) -> int:
        """Bytes held now."""
        return self._held.nbytes if self._held is not None else 0

    @property
    def held(self) -> SharedPrefix | None:
        """The prefix that is held."""
        return self._held

    @property
    def attached(self) -> list[Sequence]:
        """The sequences that it is attached to."""
        return list(self._attached)

    def for_pass(self, sequences: list[Sequence]) -> SharedPrefix | None:
        """What the sequences of a decode pass share, or None where reading it in every slot is as good.

        Seeded requests are answered with the same bits whatever else runs, so a pass with one has none. Without
        a prefix every slot is whole afterwards.
        """
        if sequences != self._members:
            self._usable = self._find(sequences)
            self._members = list(sequences)
        if self._usable:
            return self._held
        if any(sequence.attached for sequence in sequences):
            if self._patience and self._serves(sequences):
                self._patience -= 1
                return self._held
            for sequence in sequences:
                self.detach(sequence)
        return None

    def attach(self, sequence: Sequence, running: list[Sequence], cached: list[Block]) -> SharedPrefix | None:
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
            self._held = SharedPrefix.of_blocks(self._pool, blocks)
        held = self._held
        if (
            len(held) > len(cached) * BLOCK_TOKENS
            or sequence.given_length > held.longest_prompt
            or held.nbytes_attached > self._budget_bytes
        ):
            return None
        sequence.attached = len(held)
        self._attached.append(sequence)
        if self._pays(len(running), len(held)):
            self._patience = _PATIENT_PASSES
        return held

    def prefill_slot(self) -> PrefillSlot:
        """Where the prompts are read that the prefix is attached to."""
        assert self._held is not None  # noqa: S101  # it is attached
        return self._held.prefill_slot

    def detach(self, sequence: Sequence) -> None:
        """Makes a slot whole: what is attached to its sequence is copied to it."""
        if sequence.attached and self._held is not None:
            self._pool.copy_prefix(self._held.handle, sequence.slot)
            self.drop_attachment(sequence)

    def drop_attachment(self, sequence: Sequence) -> None:
        """A sequence ends, or has its own copy."""
        if sequence.attached:
            sequence.attached = 0
            self._attached.remove(sequence)

    def release(self) -> None:
        """Gives the memory back; the prefix may be attached to no sequence any more."""
        self._members, self._usable = [], False
        if self._held is not None:
            held, self._held = self._held, None
            self._pool.free_prefix(held.handle)

    def _find(self, sequences: list[Sequence]) -> bool:
        if any(sequence.exact for sequence in sequences):
            return False
        if self._attached and self._held is not None and self._serves(sequences):
            return self._pays(len(sequences), len(self._held))
        shortest = min(sequence.computed - 1 for sequence in sequences)
        length = min(self._longest, shortest, _common_length(sequences)) // BLOCK_TOKENS * BLOCK_TOKENS
        if not self._pays(len(sequences), length):
            return False
        if self._held is None or self._held.tokens != sequences[0].tokens[:length]:
            self._give_up()
            self._held = SharedPrefix.of_slot(self._pool, sequences[0], length)
        return True

    def _give_up(self) -> None:
        """Lets go of the prefix, before there is another: there are never two."""
        for sequence in self.attached:
            self.detach(sequence)
        self.release()

    def _serves(self, sequences: list[Sequence]) -> bool:
        held = self._held
        return held is not None and all(
            not sequence.exact and sequence.computed > len(held) and sequence.begins_with(held.tokens)
            for sequence in sequences
        )

    def _pays(self, slots: int, length: int) -> bool:
        return (slots - _UNPROFITABLE_SLOTS) * length >= self._least_saving


def _common_length(sequences: list[Sequence]) -> int:
    """Tokens that all of them begin with: what the first and the last in lexical order begin with."""
    tokens = [sequence.tokens for sequence in sequences]
    return common_length(min(tokens), max(tokens))
