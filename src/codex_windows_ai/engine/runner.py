"""Executes steps: moves keys and values where a step needs them, and runs the model's pass."""

from __future__ import annotations

import time

import numpy as np

from codex_windows_ai.engine.kv.pool import KVPool
from codex_windows_ai.engine.kv.prefix_matching import PrefixMatcher
from codex_windows_ai.engine.kv.shared_prefix import SharedPrefixes
from codex_windows_ai.engine.kv.slots import Slots
from codex_windows_ai.engine.model import Logits, Model, Piece
from codex_windows_ai.engine.scheduler import (
    Admission,
    DecodeBatch,
    DraftCheck,
    PrefillChunk,
    PrefixMatch,
    Step,
    sequences_of,
)
from codex_windows_ai.engine.sequence import Sequence
from codex_windows_ai.engine.statistics import Counters


class Runner:
    """One model and the memory of all sequences on it. It decides nothing, and tells no client anything."""

    def __init__(
        self,
        model: Model,
        pool: KVPool,
        slots: Slots,
        prefixes: PrefixMatcher,
        shared: SharedPrefixes,
        counters: Counters,
    ) -> None:
        self._model = model
        self._pool = pool
        self._slots = slots
        self._prefixes = prefixes
        self._shared = shared
        self._counters = counters

    def run(self, step: Step) -> Logits | None:
        """Executes a step: the logits of its sequences [sequences, positions, vocabulary], None without a pass.

        Raises whatever the model or the memory raises; the step's sequences are of no use then.
        """
        if isinstance(step, Admission):
            self._slots.allocate_slot(step.sequence)
            return None
        if isinstance(step, PrefixMatch):
            self._match(step.sequence)
            return None
        if isinstance(step, PrefillChunk):
            logits = self._prefill(step.sequence, step.tokens)
        elif isinstance(step, DraftCheck):
            logits = self._check_draft(step)
        else:
            logits = self._decode(step)
        for sequence in sequences_of(step):
            self._prefixes.insert_blocks(sequence)
        return logits

    def _match(self, sequence: Sequence) -> None:
        sequence.start()
        # Room for the whole prompt and a first piece of the answer at once: growing copies every slot.
        self._slots.reserve(min(sequence.longest, sequence.given_length + self._pool.length_step))
        if not sequence.computed:
            self._attach(sequence)
        self._prefixes.match_blocks(sequence)

    def _attach(self, sequence: Sequence) -> None:
        """What all that run begin with need not be copied to the sequence's slot, if it is cached."""
        if len(self._slots) > 1 and (cached := self._prefixes.cached_blocks(sequence)):
            prefix = self._shared.attach(sequence, self._slots.sequences, cached)
            if prefix is not None:
                self._prefixes.match_attached(sequence, len(prefix), exact=prefix.exact_length)
                self._counters.lent_tokens += len(prefix)

    def _prefill(self, sequence: Sequence, chunk: int) -> Logits:
        started = time.perf_counter()
        piece = self._piece(sequence, chunk)
        logits = self._model.forward(piece.pool, piece.slot, np.array([piece.tokens], dtype=np.int64), [piece.past])
        self._have_read(sequence, chunk, (time.perf_counter() - started) / chunk)
        return logits

    def _piece(self, sequence: Sequence, chunk: int) -> Piece:
        """The next tokens of a prompt, and where they are read: in its slot, or behind the prefix attached to it."""
        past = sequence.computed
        tokens = sequence.tokens[past : past + chunk]
        if sequence.attached:
            return Piece(self._shared.prefill_slot().load(sequence), 0, tokens, past)
        return Piece(self._pool, sequence.slot, tokens, past)

    def _have_read(self, sequence: Sequence, chunk: int, seconds_per_token: float) -> None:
        if sequence.attached:
            self._shared.prefill_slot().store(sequence, range(sequence.computed, sequence.computed + chunk))
        sequence.advance(chunk, together=chunk)
        sequence.seconds_per_token = seconds_per_token
        self._counters.prefill_tokens += chunk
        if not sequence.remaining:
            self._slots.start_decoding(sequence)

    def _decode(self, step: DecodeBatch) -> Logits:
        started = time.perf_counter()
        sequences, chunk = step.sequences, step.piece
        past = [sequence.computed for sequence in sequences]
        self._slots.reserve(max(past) + 1)
        tokens = np.array([[sequence.tokens[sequence.computed]] for sequence in sequences], dtype=np.int64)
        prefix = self._shared.for_pass(sequences)
        handle = None if prefix is None else prefix.handle
        piece = self._piece(chunk.sequence, chunk.tokens) if chunk else None
        logits = self._model.forward(self._pool, sequences[0].slot, tokens, past, prefix=handle, piece=piece)
        self._counters.decode_passes += 1
        self._counters.decode_rows += len(sequences)
        self._counters.shared_passes += prefix is not None
        for sequence in sequences:
            sequence.advance(1, together=1)
        if chunk:
            self._counters.mixed_passes += 1
            seconds_per_token = (time.perf_counter() - started) / (chunk.tokens + len(sequences))
            self._have_read(chunk.sequence, chunk.tokens, seconds_per_token)
        return logits

    def _check_draft(self, step: DraftCheck) -> Logits:
        sequence, new = step.sequence, [*step.forced, *step.draft]
        self._shared.detach(sequence)
        self._slots.reserve(sequence.computed + len(new))
        tokens = np.array([new], dtype=np.int64)
        keep = len(step.draft) + 1
        logits = self._model.forward(self._pool, sequence.slot, tokens, [sequence.computed], keep=keep)
        self._counters.decode_passes += 1
        self._counters.decode_rows += 1
        sequence.advance(len(step.forced), together=len(new))
        return logits

    def keep(self, sequence: Sequence) -> None:
        """Draft tokens were right: the blocks that they complete go to the prefix cache."""
        self._prefixes.insert_blocks(sequence)

    def release(self, sequence: Sequence) -> None:
        """The sequence ends: what it computed goes to the prefix cache, its slot to others."""
        self._prefixes.unlock_blocks(sequence)
        self._shared.drop_attachment(sequence)
        self._slots.free_slot(sequence)
        if not len(self._slots):
            self._shared.release()
