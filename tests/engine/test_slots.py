"""Which sequence has which row: what a sequence computed stays its own, wherever it moves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from codex_windows_ai.engine.configuration import EngineConfiguration
from codex_windows_ai.engine.core import EngineCore
from codex_windows_ai.engine.kv.host_pool import HostPool
from codex_windows_ai.engine.kv.slots import Slots
from codex_windows_ai.engine.sequence import Phase, Sequence
from codex_windows_ai.models.folder import ModelFolder
from tests.engine.rows import SHAPE, STEP, block_of, new_sequence, read, rows_of


@pytest.fixture(scope="module")
def core(tiny_model: ModelFolder) -> EngineCore:
    """For its `prepare`; it never runs a step here."""
    return EngineCore(tiny_model, EngineConfiguration(threads=1))


class BatchMachine(RuleBasedStateMachine):
    """Each sequence writes numbers of its own; wherever its row moves, it must find them again."""

    core: EngineCore

    @initialize(budget=st.sampled_from([STEP, 2 * STEP, 5 * STEP, 12 * STEP]))
    def start(self, budget: int) -> None:
        self.batch = Slots(HostPool(SHAPE, budget * SHAPE.bytes_per_token))
        self.written: dict[Sequence, np.ndarray] = {}
        self.stamp = 0.0

    def compute(self, sequence: Sequence, tokens: int) -> None:
        self.batch.reserve(sequence.computed + tokens)
        self.stamp += 1
        block = block_of(self.stamp, tokens)
        self.batch.rows.write(sequence.row, sequence.computed, block)
        self.written[sequence] = np.concatenate([self.written[sequence], block], axis=3)
        sequence.advance(tokens, together=tokens)

    def any_of(self, data: st.DataObject, sequences: list[Sequence]) -> Sequence:
        return sequences[data.draw(st.integers(0, len(sequences) - 1))]

    @rule(prompt=st.integers(2, 300), output=st.integers(1, 200), borrowed=st.sampled_from([0, 0, 1, 60]))
    def admit(self, prompt: int, output: int, borrowed: int) -> None:
        sequence = new_sequence(self.core, prompt, output)
        room = self.batch.has_room_for(sequence)
        longest = max([sequence.longest, *(other.longest for other in self.batch.sequences)])
        needed = (len(self.batch) + 1) * -(-longest // STEP) * STEP * SHAPE.bytes_per_token
        assert room == (needed <= self.batch.rows.budget_bytes)
        if room:
            self.batch.add(sequence)
            self.written[sequence] = block_of(0, 0)
            if borrowed < prompt:
                sequence.borrowed = sequence.computed = borrowed

    @precondition(lambda self: self.batch.prefilling)
    @rule(data=st.data(), tokens=st.integers(1, 150))
    def prefill(self, data: st.DataObject, tokens: int) -> None:
        sequence = self.any_of(data, self.batch.prefilling)
        self.compute(sequence, min(tokens, sequence.remaining))
        if not sequence.remaining:
            self.batch.start_decoding(sequence)

    @precondition(lambda self: self.batch.decoding)
    @rule(data=st.data(), tokens=st.integers(1, 60))
    def decode(self, data: st.DataObject, tokens: int) -> None:
        sequence = self.any_of(data, self.batch.decoding)
        if room := min(tokens, sequence.longest - sequence.computed):
            self.compute(sequence, room)

    @precondition(lambda self: self.batch.sequences)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        sequence = self.any_of(data, self.batch.sequences)
        self.batch.remove(sequence)
        del self.written[sequence]

    @invariant()
    def every_sequence_finds_what_it_wrote(self) -> None:
        assert set(self.batch.sequences) == set(self.written)
        for sequence, block in self.written.items():
            if held := sequence.in_row:
                assert (read(self.batch.rows, sequence.row, len(held), held.start) == block).all()

    @invariant()
    def rows_that_decode_are_neighbours(self) -> None:
        rows = [sequence.row for sequence in self.batch.sequences]
        assert rows == sorted(set(rows))
        decoding = [sequence.row for sequence in self.batch.decoding]
        assert decoding == list(range(min(decoding, default=0), min(decoding, default=0) + len(decoding)))
        assert all(sequence.phase is Phase.DECODE for sequence in self.batch.decoding)
        assert all(sequence.phase is Phase.PREFILL for sequence in self.batch.prefilling)
        assert {*self.batch.decoding, *self.batch.prefilling} == set(self.batch.sequences)

    @invariant()
    def the_budget_is_kept(self) -> None:
        rows = self.batch.rows
        assert rows.nbytes <= rows.budget_bytes
        assert sum(layer.nbytes for layer in rows.layers) == rows.nbytes
        assert self.batch.sequences or rows.nbytes == 0


def test_rows_move_with_their_content(core: EngineCore) -> None:
    machine = type("Machine", (BatchMachine,), {"core": core})

    run_state_machine_as_test(machine, settings=settings(max_examples=80, stateful_step_count=30, deadline=None))


def test_a_long_prompt_stays_where_it_is_while_short_ones_come_and_go(
    core: EngineCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    batch = Slots(rows_of(8))
    long = new_sequence(core, 200, 8)
    batch.add(long)
    batch.reserve(200)
    long.advance(100, together=100)
    monkeypatch.setattr(batch.rows, "copy_row", None)
    monkeypatch.setattr(batch.rows, "swap_rows", None)
    for _ in range(3):
        batch.add(short := new_sequence(core, 10, 8))
        short.advance(10, together=10)
        batch.start_decoding(short)
        assert (long.row, short.row) == (0, 1)
        batch.remove(short)


def test_a_row_that_memory_ran_out_for_can_still_be_removed(core: EngineCore, monkeypatch: pytest.MonkeyPatch) -> None:
    batch = Slots(rows_of(4))
    long, short = new_sequence(core, 10, 10), new_sequence(core, 200, 200)
    for _ in range(3):
        batch.add(sequence := new_sequence(core, 10, 10))
        batch.reserve(10)
    for sequence in batch.sequences[1:]:
        batch.remove(sequence)
    allocate = batch.rows._allocate
    monkeypatch.setattr(batch.rows, "_allocate", lambda *_: (_ for _ in ()).throw(MemoryError))
    assert batch.has_room_for(short)
    with pytest.raises(MemoryError):
        batch.add(short)  # three rows of its length do not fit: the buffers must shrink

    assert short in batch.sequences  # the engine finds it there, and can tell its caller
    monkeypatch.setattr(batch.rows, "_allocate", allocate)
    batch.remove(short)
    batch.add(long)
    assert len(batch) == 2
