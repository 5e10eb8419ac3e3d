"""The slot in which prompts behind an attached prefix are read: it always holds what the sequence that is read has."""

from __future__ import annotations

import numpy as np
import pytest

from codex_windows_ai.engine.configuration import EngineConfiguration
from codex_windows_ai.engine.core import EngineCore
from codex_windows_ai.engine.kv.host_pool import HostPool
from codex_windows_ai.engine.kv.shared_prefix import PrefillSlot
from codex_windows_ai.engine.sequence import Sequence
from codex_windows_ai.models.folder import ModelFolder
from tests.engine.pools import SPEC, STEP, block_of, new_sequence, read, write

PREFIX = 32


@pytest.fixture(scope="module")
def core(tiny_model: ModelFolder) -> EngineCore:
    """For its `prepare`; it never runs a step here."""
    return EngineCore(tiny_model, EngineConfiguration(threads=1))


class Reading:
    """Two sequences that borrowed the same prefix, and numbers that tell what is whose."""

    def __init__(self, core: EngineCore) -> None:
        self.pool = HostPool(SPEC, 2**20)
        self.pool.reserve(3, 200, kept=())
        write(self.pool, 2, 0, block_of(100, PREFIX))
        self.slot = PrefillSlot(self.pool, self.pool.prefix_of_slot(2, PREFIX), 200)
        self.sequences = [new_sequence(core, 100) for _ in range(2)]
        for number, sequence in enumerate(self.sequences):
            sequence.slot = number
            sequence.attached = sequence.computed = PREFIX

    def read(self, sequence: Sequence, tokens: int, value: float) -> None:
        """What a pass over so many tokens does."""
        write(self.load(sequence), 0, sequence.computed, block_of(value, tokens))
        self.slot.store(sequence, range(sequence.computed, sequence.computed + tokens))
        sequence.advance(tokens, together=tokens)

    def load(self, sequence: Sequence) -> HostPool:
        own = self.slot.load(sequence)
        assert isinstance(own, HostPool)
        return own

    def held(self, sequence: Sequence) -> np.ndarray:
        return read(self.load(sequence), 0, sequence.computed - PREFIX, PREFIX)


@pytest.fixture
def reading(core: EngineCore) -> Reading:
    return Reading(core)


def test_it_begins_with_the_prefix_and_takes_whole_steps(reading: Reading) -> None:
    own = reading.load(reading.sequences[0])
    assert (read(own, 0, PREFIX) == block_of(100, PREFIX)).all()
    assert reading.slot.nbytes == reading.pool.bytes_of(1, 200) == STEP * SPEC.bytes_per_token


def test_what_was_read_goes_to_the_sequences_own_slot(reading: Reading) -> None:
    first = reading.sequences[0]
    reading.read(first, 10, 1)
    assert (read(reading.pool, 0, 10, PREFIX) == block_of(1, 10)).all()
    assert not read(reading.pool, 0, PREFIX).any()


def test_sequences_that_take_turns_find_what_they_have(reading: Reading) -> None:
    first, second = reading.sequences
    reading.read(first, 10, 1)
    reading.read(second, 12, 2)
    assert (reading.held(first) == block_of(1, 10)).all()
    assert (reading.held(second) == block_of(2, 12)).all()


def test_what_its_slot_got_from_elsewhere_meanwhile_is_found(reading: Reading) -> None:
    first = reading.sequences[0]
    reading.read(first, 16, 1)
    write(reading.pool, first.slot, first.computed, block_of(7))
    first.advance_cached(16, exact=False)
    assert (reading.held(first)[:, :, :, 16:] == block_of(7)).all()


def test_what_a_failed_pass_left_is_replaced(reading: Reading) -> None:
    first = reading.sequences[0]
    reading.read(first, 16, 1)
    write(reading.load(first), 0, PREFIX, block_of(9))
    assert (reading.held(first) == block_of(1)).all()


def test_one_that_goes_on_is_not_copied_again(reading: Reading, monkeypatch: pytest.MonkeyPatch) -> None:
    first = reading.sequences[0]
    reading.read(first, 16, 1)
    monkeypatch.setattr(HostPool, "copy_from", None)
    reading.load(first)
