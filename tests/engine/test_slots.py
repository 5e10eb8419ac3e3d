"""Which sequence has which slot: what a sequence computed stays its own, wherever it moves."""

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
from codex_windows_ai.engine.kv import host_pool
from codex_windows_ai.engine.kv.host_pool import HostPool
from codex_windows_ai.engine.kv.slots import Slots
from codex_windows_ai.engine.sequence import Phase, Sequence
from codex_windows_ai.models.folder import ModelFolder
from tests.engine.pools import SPEC, STEP, block_of, new_sequence, pool_of, read, write


@pytest.fixture(scope="module")
def core(tiny_model: ModelFolder) -> EngineCore:
    """For its `prepare`; it never runs a step here."""
    return EngineCore(tiny_model, EngineConfiguration(threads=1))


class SlotsMachine(RuleBasedStateMachine):
    """Each sequence writes numbers of its own; wherever its slot moves, it must find them again."""

    core: EngineCore

    @initialize(budget=st.sampled_from([STEP, 2 * STEP, 5 * STEP, 12 * STEP]))
    def start(self, budget: int) -> None:
        self.pool = HostPool(SPEC, budget * SPEC.bytes_per_token)
        self.slots = Slots(self.pool)
        self.written: dict[Sequence, np.ndarray] = {}
        self.stamp = 0.0

    def compute(self, sequence: Sequence, tokens: int) -> None:
        self.slots.reserve(sequence.computed + tokens)
        self.stamp += 1
        block = block_of(self.stamp, tokens)
        write(self.pool, sequence.slot, sequence.computed, block)
        self.written[sequence] = np.concatenate([self.written[sequence], block], axis=3)
        sequence.advance(tokens, together=tokens)

    def any_of(self, data: st.DataObject, sequences: list[Sequence]) -> Sequence:
        return sequences[data.draw(st.integers(0, len(sequences) - 1))]

    @rule(prompt=st.integers(2, 300), output=st.integers(1, 200), attached=st.sampled_from([0, 0, 1, 60]))
    def admit(self, prompt: int, output: int, attached: int) -> None:
        sequence = new_sequence(self.core, prompt, output)
        room = self.slots.has_room_for(sequence)
        longest = max([sequence.longest, *(other.longest for other in self.slots.sequences)])
        needed = (len(self.slots) + 1) * -(-longest // STEP) * STEP * SPEC.bytes_per_token
        assert room == (needed <= self.slots.pool.budget_bytes)
        if room:
            self.slots.allocate_slot(sequence)
            self.written[sequence] = block_of(0, 0)
            if attached < prompt:
                sequence.attached = sequence.computed = attached

    @precondition(lambda self: self.slots.prefilling)
    @rule(data=st.data(), tokens=st.integers(1, 150))
    def prefill(self, data: st.DataObject, tokens: int) -> None:
        sequence = self.any_of(data, self.slots.prefilling)
        self.compute(sequence, min(tokens, sequence.remaining))
        if not sequence.remaining:
            self.slots.start_decoding(sequence)

    @precondition(lambda self: self.slots.decoding)
    @rule(data=st.data(), tokens=st.integers(1, 60))
    def decode(self, data: st.DataObject, tokens: int) -> None:
        sequence = self.any_of(data, self.slots.decoding)
        if room := min(tokens, sequence.longest - sequence.computed):
            self.compute(sequence, room)

    @precondition(lambda self: self.slots.sequences)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        sequence = self.any_of(data, self.slots.sequences)
        self.slots.free_slot(sequence)
        del self.written[sequence]

    @invariant()
    def every_sequence_finds_what_it_wrote(self) -> None:
        assert set(self.slots.sequences) == set(self.written)
        for sequence, block in self.written.items():
            if held := sequence.in_slot:
                assert (read(self.pool, sequence.slot, len(held), held.start) == block).all()

    @invariant()
    def rows_that_decode_are_neighbours(self) -> None:
        rows = [sequence.slot for sequence in self.slots.sequences]
        assert rows == sorted(set(rows))
        decoding = [sequence.slot for sequence in self.slots.decoding]
        assert decoding == list(range(min(decoding, default=0), min(decoding, default=0) + len(decoding)))
        assert all(sequence.phase is Phase.DECODE for sequence in self.slots.decoding)
        assert all(sequence.phase is Phase.PREFILL for sequence in self.slots.prefilling)
        assert {*self.slots.decoding, *self.slots.prefilling} == set(self.slots.sequences)

    @invariant()
    def the_budget_is_kept(self) -> None:
        pool = self.pool
        assert pool.nbytes <= pool.budget_bytes
        assert sum(layer.nbytes for layer in pool.layers) == pool.nbytes
        assert self.slots.sequences or pool.nbytes == 0


def test_rows_move_with_their_content(core: EngineCore) -> None:
    machine = type("Machine", (SlotsMachine,), {"core": core})

    run_state_machine_as_test(machine, settings=settings(max_examples=80, stateful_step_count=30, deadline=None))


def test_a_long_prompt_stays_where_it_is_while_short_ones_come_and_go(
    core: EngineCore, monkeypatch: pytest.MonkeyPatch
) -> None:
    slots = Slots(pool_of(8))
    long = new_sequence(core, 200, 8)
    slots.allocate_slot(long)
    slots.reserve(200)
    long.advance(100, together=100)
    monkeypatch.setattr(slots.pool, "move", None)
    monkeypatch.setattr(slots.pool, "swap", None)
    for _ in range(3):
        slots.allocate_slot(short := new_sequence(core, 10, 8))
        short.advance(10, together=10)
        slots.start_decoding(short)
        assert (long.slot, short.slot) == (0, 1)
        slots.free_slot(short)


def test_a_row_that_memory_ran_out_for_can_still_be_removed(core: EngineCore, monkeypatch: pytest.MonkeyPatch) -> None:
    slots = Slots(pool_of(4))
    long, short = new_sequence(core, 10, 10), new_sequence(core, 200, 200)
    for _ in range(3):
        slots.allocate_slot(sequence := new_sequence(core, 10, 10))
        slots.reserve(10)
    for sequence in slots.sequences[1:]:
        slots.free_slot(sequence)
    allocate = host_pool.allocate
    monkeypatch.setattr(host_pool, "allocate", lambda _: (_ for _ in ()).throw(MemoryError))
    assert slots.has_room_for(short)
    with pytest.raises(MemoryError):
        slots.allocate_slot(short)  # three rows of its length do not fit: the buffers must shrink

    assert short in slots.sequences  # the engine finds it there, and can tell its caller
    monkeypatch.setattr(host_pool, "allocate", allocate)
    slots.free_slot(short)
    slots.allocate_slot(long)
    assert len(slots) == 2
