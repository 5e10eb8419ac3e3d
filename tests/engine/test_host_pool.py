"""The pool in the host's memory: what every pool must do, its bindings, and memory that runs out."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

from codex_windows_ai.engine.kv import host_pool
from codex_windows_ai.engine.kv.host_pool import HostPool
from codex_windows_ai.engine.kv.pool import BLOCK_TOKENS, KeysAndValues, KVSpec, LayerNames, RecurrentState, StatePart
from codex_windows_ai.errors import EngineError, UnsupportedModelError
from tests.engine.pool_contract import Contents, PoolContract
from tests.engine.pools import SPEC, STEP, block_of, pool_of, read, write


class TestHostPool(PoolContract):
    def make(
        self, spec: KVSpec, budget_bytes: int, block_budget_bytes: int = 0, checkpoint_budget_bytes: int = 0
    ) -> HostPool:
        return HostPool(spec, budget_bytes, block_budget_bytes, checkpoint_budget_bytes)

    def read(self, pool: HostPool, slot: int, tokens: int, start: int = 0) -> Contents:
        return [layer[:, slot, :, start : start + tokens] for layer in pool.layers]

    def write(self, pool: HostPool, slot: int, start: int, contents: Contents) -> None:
        for layer, values in zip(pool.layers, contents, strict=True):
            layer[:, slot, :, start : start + values.shape[2]] = values

    def read_states(self, pool: HostPool, slot: int) -> Contents:
        return [states[slot] for states in pool.states.now]

    def write_states(self, pool: HostPool, slot: int, states: Contents, length: int) -> None:
        for now, values in zip(pool.states.now, states, strict=True):
            now[slot] = values
        pool.states.lengths[slot] = length


@pytest.fixture
def no_spare_slots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HostPool, "FEWEST_SLOTS", 1)


pytestmark = pytest.mark.usefixtures("no_spare_slots")
EVERYTHING = [range(2 * STEP)] * 4


class Recorded:
    """A binding of ONNX Runtime that notes what is bound."""

    def __init__(self) -> None:
        self.inputs: dict[str, tuple[Any, ...]] = {}
        self.outputs: dict[str, tuple[Any, ...]] = {}

    def bind_input(self, name: str, *arguments: Any) -> None:
        self.inputs[name] = arguments

    def bind_output(self, name: str, *arguments: Any) -> None:
        self.outputs[name] = arguments


class Session:
    """A model of two layers on the CPU, as a pool sees it."""

    names = tuple(
        LayerNames(*((f"{name}.{n}.k", f"{name}.{n}.v") for name in ("past", "new", "shared", "piece", "new_piece")))
        for n in range(2)
    )
    state_names: tuple[tuple[str, str], ...] = ()
    shared_length = "shared_length"
    computes_in_host_memory = True

    def io_binding(self) -> Recorded:
        return Recorded()


def test_slots_grow_no_further_than_they_must_where_none_are_spare() -> None:
    pool = pool_of(3, 2 * STEP)
    pool.reserve(1, 40, kept=EVERYTHING)
    assert (pool.slots, pool.length) == (1, STEP)
    write(pool, 0, 0, block_of(1.0))
    pool.reserve(3, STEP + 1, kept=EVERYTHING)

    assert (pool.slots, pool.length) == (3, 2 * STEP)
    assert (read(pool, 0, BLOCK_TOKENS) == block_of(1.0)).all()


def test_what_is_not_kept_takes_no_memory_when_slots_grow() -> None:
    pool = pool_of(1, 2 * STEP)
    pool.reserve(1, STEP, kept=())
    write(pool, 0, 0, block_of(1.0))
    pool.reserve(1, STEP + 1, kept=[range(0)])
    assert not read(pool, 0, BLOCK_TOKENS).any()


def test_what_is_large_enough_is_left_where_it_is_and_stays_bound() -> None:
    pool, session = pool_of(3), Session()
    pool.reserve(2, 10, kept=EVERYTHING)
    binding = pool.bind(session, 0, [5, 5], 1)
    pool.reserve(1, STEP, kept=EVERYTHING)

    assert pool.bind(session, 0, [6, 6], 1) is binding


def test_memory_that_moved_is_bound_anew() -> None:
    pool, session = pool_of(3), Session()
    bound: list[int] = []
    for slots in (1, 2, 3):
        pool.resize(slots, 10, kept=EVERYTHING)
        assert pool.bindings == 0
        binding = pool.bind(session, 0, [5], 1)
        address = binding.io.inputs["past.0.k"][-1]
        assert address == pool.layers[0][0, 0].ctypes.data
        bound.append(address)
    assert len(bound) == 3


def test_past_and_present_are_the_same_memory_of_the_slots() -> None:
    pool, session = pool_of(3), Session()
    pool.reserve(3, 10, kept=EVERYTHING)
    io = pool.bind(session, 1, [5, 5], 1).io
    for layer in range(2):
        for part, name in enumerate("kv"):
            expected = pool.layers[layer][part, 1:3]
            arguments = ("cpu", 0, np.float32, expected.shape, expected.ctypes.data)
            assert io.inputs[f"past.{layer}.{name}"] == io.outputs[f"new.{layer}.{name}"] == arguments


def test_behind_a_prefix_the_slots_are_bound_from_its_end_on_until_it_is_freed() -> None:
    pool, session = pool_of(3), Session()
    pool.reserve(3, 64, kept=EVERYTHING)
    plain = pool.bind(session, 0, [40], 1)
    prefix = pool.prefix_of_slot(0, 32)
    io = pool.bind(session, 0, [40], 1, prefix).io
    token = pool.layers[0].strides[3]
    assert io.inputs["past.1.v"][-1] == plain.io.inputs["past.1.v"][-1] + 32 * token
    assert io.inputs["shared.1.v"][3] == (2, 32, 3)
    assert io.inputs["shared_length"][2:4] == (np.int64, (1,))

    assert pool.bindings == 2
    pool.free_prefix(prefix)
    assert pool.bindings == 1
    assert pool.bind(session, 0, [40], 1) is plain


def test_slots_are_copied_and_exchanged_where_they_hold_something() -> None:
    pool = pool_of(2)
    pool.reserve(2, 64, kept=EVERYTHING)
    for slot in (0, 1):
        write(pool, slot, 0, block_of(slot))
        write(pool, slot, BLOCK_TOKENS, block_of(slot + 10))
    pool.swap(0, range(BLOCK_TOKENS), 1, range(BLOCK_TOKENS))
    assert (read(pool, 0, BLOCK_TOKENS) == block_of(1)).all()
    assert (read(pool, 0, BLOCK_TOKENS, BLOCK_TOKENS) == block_of(10)).all()
    assert (read(pool, 1, BLOCK_TOKENS) == block_of(0)).all()

    pool.move(1, 0, range(2 * BLOCK_TOKENS))
    assert (read(pool, 0, 2 * BLOCK_TOKENS) == read(pool, 1, 2 * BLOCK_TOKENS)).all()


def test_slots_that_hold_different_tokens_are_exchanged() -> None:
    pool = pool_of(2)
    pool.reserve(2, 64, kept=EVERYTHING)
    write(pool, 0, 0, block_of(1, 40))
    write(pool, 1, 30, block_of(2, 20))
    pool.swap(0, range(40), 1, range(30, 50))
    assert (read(pool, 1, 40) == block_of(1, 40)).all()
    assert (read(pool, 0, 20, 30) == block_of(2, 20)).all()


def test_a_slot_is_copied_from_another_pool() -> None:
    pool, other = pool_of(1), pool_of(2)
    pool.reserve(1, 64, kept=())
    other.reserve(2, 64, kept=())
    write(pool, 0, 0, block_of(1, 40))
    write(other, 1, 0, block_of(2, 40))
    pool.copy_from(other, 1, 0, range(16, 32))
    assert (read(pool, 0, 16, 16) == block_of(2, 40)[:, :, :, 16:32]).all()
    assert (read(pool, 0, 16) == block_of(1)).all()


def run_out_in_the_second_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    allocate = host_pool.allocate
    calls: list[int] = []

    def run_out(size: int) -> Any:
        calls.append(size)
        if len(calls) == 2:
            raise MemoryError
        return allocate(size)

    monkeypatch.setattr(host_pool, "allocate", run_out)


def test_memory_that_runs_out_halfway_leaves_the_slots_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    pool, session = pool_of(4), Session()
    pool.reserve(1, STEP, kept=EVERYTHING)
    write(pool, 0, 0, block_of(4.0))
    pool.bind(session, 0, [5], 1)
    run_out_in_the_second_layer(monkeypatch)
    with pytest.raises(MemoryError):
        pool.reserve(2, STEP, kept=EVERYTHING)

    assert pool.bindings == 0  # bindings to the memory that was replaced must go
    assert (pool.slots, pool.length) == (1, STEP)
    assert (read(pool, 0, BLOCK_TOKENS) == block_of(4.0)).all()
    pool.reserve(2, STEP, kept=EVERYTHING)
    assert (read(pool, 0, BLOCK_TOKENS) == block_of(4.0)).all()


def test_memory_that_runs_out_while_shrinking_leaves_what_both_sizes_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = pool_of(2, 2 * STEP)
    pool.reserve(2, 2 * STEP, kept=EVERYTHING)
    write(pool, 0, 0, block_of(4.0))
    run_out_in_the_second_layer(monkeypatch)
    with pytest.raises(MemoryError):
        pool.resize(1, BLOCK_TOKENS, kept=EVERYTHING)

    pool.reserve(2, 2 * STEP, kept=EVERYTHING)
    write(pool, 1, STEP, block_of(5.0))
    assert (read(pool, 0, BLOCK_TOKENS) == block_of(4.0)).all()
    assert (read(pool, 1, BLOCK_TOKENS, STEP) == block_of(5.0)).all()


def test_more_than_the_budget_is_refused_with_the_numbers() -> None:
    pool = pool_of(2)
    with pytest.raises(EngineError, match=f"3 sequences of 256 tokens need .* the budget is {pool.budget_bytes:,}"):
        pool.reserve(3, STEP, kept=EVERYTHING)


def test_what_it_has_no_memory_for_is_refused() -> None:
    state = KeysAndValues(heads=2, head_size=3, dtype=np.dtype(np.float32), window=128)
    with pytest.raises(UnsupportedModelError, match="Layer 1 keeps"):
        HostPool(KVSpec((SPEC.layers[0], state)), 2**20)


def test_a_piece_is_read_in_its_slot_by_the_names_for_it_and_only_in_its_pass() -> None:
    pool, other = pool_of(3), pool_of(1)
    pool.reserve(3, STEP, kept=())
    other.reserve(1, STEP, kept=())
    session = Session()

    of_both = pool.bind(session, 0, [4, 7], 1, piece=(other, 0)).io
    of_rows = pool.bind(session, 0, [4, 7], 1).io

    view = other.layers[1][0, 0:1]
    assert of_both.inputs["piece.1.k"][-2:] == of_both.outputs["new_piece.1.k"][-2:] == (view.shape, view.ctypes.data)
    assert of_both.inputs["past.1.k"] == of_rows.inputs["past.1.k"]
    assert not any("piece" in name for name in (*of_rows.inputs, *of_rows.outputs))
    assert pool.bindings == 1  # the pass with the piece does not come again


class HybridSession(Session):
    """One with a layer that has states, besides."""

    state_names = (("past.conv", "new.conv"), ("past.state", "new.state"))


FLOAT = np.dtype(np.float32)
HYBRID = KVSpec((*SPEC.layers, RecurrentState((StatePart((3, 2), FLOAT), StatePart((4,), FLOAT, in_place=True)))))


@pytest.fixture
def hybrid() -> HostPool:
    """Three slots, whose states are 1, 2 and 3, behind 5 tokens each."""
    pool = HostPool(HYBRID, 2**20)
    pool.reserve(3, 64, kept=())
    for slot in range(3):
        for states in pool.states.now:
            states[slot] = slot + 1
        pool.states.lengths[slot] = 5
    return pool


def test_states_that_two_operators_touch_are_written_elsewhere_and_copied_when_the_pass_has_run(
    hybrid: HostPool,
) -> None:
    conv, state = hybrid.states.now
    binding = hybrid.bind(HybridSession(), 1, [5, 5], 1)
    inputs, outputs = binding.io.inputs, binding.io.outputs
    assert inputs["past.conv"] == ("cpu", 0, np.float32, (2, 3, 2), conv[1:].ctypes.data)
    assert inputs["past.state"] == outputs["new.state"] == ("cpu", 0, np.float32, (2, 4), state[1:].ctypes.data)
    address = outputs["new.conv"][-1]
    assert abs(address - conv.ctypes.data) >= conv.nbytes

    ctypes.memmove(address, np.full(12, 9, np.float32).ctypes.data, 48)
    assert hybrid.state_length(1) is None
    binding.finish()
    assert (conv[1:] == 9).all() and (conv[0] == 1).all()
    assert [hybrid.state_length(slot) for slot in range(3)] == [5, 6, 6]


def test_behind_no_tokens_states_are_zero(hybrid: HostPool) -> None:
    hybrid.bind(HybridSession(), 0, [0, 5], 1).finish()
    assert not hybrid.states.now[1][0].any()
    assert (hybrid.states.now[1][1:] == [[2], [3]]).all()


def test_a_pass_behind_other_tokens_than_the_states_is_refused_and_one_that_failed_leaves_them_unknown(
    hybrid: HostPool,
) -> None:
    with pytest.raises(EngineError, match="slot 1 are behind 5 tokens, not behind 4"):
        hybrid.bind(HybridSession(), 0, [5, 4], 1)
    assert [hybrid.state_length(slot) for slot in range(3)] == [5, 5, 5]

    hybrid.bind(HybridSession(), 0, [5], 1)  # and nothing came of it
    with pytest.raises(EngineError, match="slot 0 are behind None"):
        hybrid.bind(HybridSession(), 0, [5], 1)


def test_states_count_where_memory_is_shared_out() -> None:
    token, state = HYBRID.bytes_per_token, HYBRID.state_bytes
    assert state == 4 * (3 * 2 + 4)
    pool = HostPool(HYBRID, 2 * (STEP * token + state), 0, 5 * state - 1)
    assert pool.fits(2, STEP) and not pool.fits(3, STEP)
    assert pool.max_sequence_length == 2 * STEP
    assert pool.checkpoint_capacity == 4
    assert HostPool(SPEC, 2**20, 0, 2**20).checkpoint_capacity == 0
