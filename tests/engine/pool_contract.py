"""What every pool must do; a pool of another array library is put under the same tests by a subclass."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codex_windows_ai.engine.configuration import EngineConfiguration
from codex_windows_ai.engine.core import EngineCore
from codex_windows_ai.engine.kv.host_pool import HostPool
from codex_windows_ai.engine.kv.pool import (
    BLOCK_TOKENS,
    KeysAndValues,
    KVPool,
    KVSpec,
    PoolFactory,
    RecurrentState,
    StatePart,
)
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.errors import EngineError
from codex_windows_ai.models.folder import ModelFolder
from codex_windows_ai.protocol.request import SamplingParameters
from tests.engine.clients import Client, run

UNEQUAL = KVSpec(
    (
        KeysAndValues(heads=2, head_size=3, dtype=np.dtype(np.float32)),
        None,
        RecurrentState((StatePart((3, 5), np.dtype(np.float32)), StatePart((2, 4, 4), np.dtype(np.float32), True))),
        KeysAndValues(heads=1, head_size=4, dtype=np.dtype(np.float16)),
        RecurrentState((StatePart((2, 6), np.dtype(np.float32)),)),
    )
)
"""Layers that keep different things, and one that keeps nothing."""
EVERYTHING = [range(10**6)] * 8

Contents = list[np.ndarray]
"""Of each layer that keeps something [2 (key, value), heads, tokens, head size]."""


def tokens_of(value: float, tokens: int) -> Contents:
    """Keys and values in which every number tells its layer and its token."""
    states = [state for state in UNEQUAL.layers if isinstance(state, KeysAndValues)]
    return [
        np.broadcast_to(
            (value + layer / 8 + np.arange(tokens)[:, None] / 512).astype(state.dtype),
            (2, state.heads, tokens, state.head_size),
        )
        for layer, state in enumerate(states)
    ]


def states_of(value: float) -> Contents:
    """States in which every number tells its part."""
    return [np.full(part.shape, value + number / 8, part.dtype) for number, part in enumerate(UNEQUAL.state_parts)]


def same(one: Contents, other: Contents) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


BEGINNING = tuple(int(token) for token in np.random.default_rng(7).integers(0, 256, 160))


def answers(folder: ModelFolder, make_pool: PoolFactory, *, seeded: bool) -> tuple[list[object], EngineCore]:
    """Tokens and how likely each was, of two rounds of requests that begin alike and end unlike."""
    core = EngineCore(folder, EngineConfiguration(threads=1, shared_saving=100), make_pool=make_pool)
    said: list[object] = []
    for _ in range(2):
        clients = [
            Client(
                core,
                EngineRequest(
                    prompt=(*BEGINNING, *range(65 + number, 70 + 4 * number)),
                    sampling=SamplingParameters(temperature=1.0, seed=number) if seeded else SamplingParameters(),
                    max_output_tokens=12,
                    top_logprobs=0,
                ),
            )
            for number in range(5)
        ]
        run(core)
        said += [client.said for client in clients]
    return said, core


# The examples of one pool are tried on the next one as well: that several classes run a test is meant so.
each_pool = settings(max_examples=40, suppress_health_check=[HealthCheck.differing_executors])


class PoolContract(ABC):
    """The tests; a subclass makes pools, and writes and reads their slots."""

    @abstractmethod
    def make(
        self, spec: KVSpec, budget_bytes: int, block_budget_bytes: int = 0, checkpoint_budget_bytes: int = 0
    ) -> Any:
        """A new pool."""

    @abstractmethod
    def read(self, pool: Any, slot: int, tokens: int, start: int = 0) -> Contents:
        """What a slot holds of so many tokens."""

    @abstractmethod
    def write(self, pool: Any, slot: int, start: int, contents: Contents) -> None:
        """Puts contents to the tokens from `start` on."""

    @abstractmethod
    def read_states(self, pool: Any, slot: int) -> Contents:
        """A slot's states, part by part."""

    @abstractmethod
    def write_states(self, pool: Any, slot: int, states: Contents, length: int) -> None:
        """Has a slot's states be these, behind so many tokens."""

    def pool_of(self, slots: int, steps: int = 1, *, blocks: int = 0, checkpoints: int = 0) -> KVPool:
        step: int = self.make(UNEQUAL, 0, 0).length_step
        return self.make(
            UNEQUAL,
            slots * UNEQUAL.slot_bytes(steps * step),
            blocks * BLOCK_TOKENS * UNEQUAL.bytes_per_token,
            checkpoints * UNEQUAL.state_bytes,
        )

    def test_slots_grow_by_steps_and_keep_what_they_hold(self) -> None:
        pool = self.pool_of(3, 2)
        pool.reserve(1, 40, kept=EVERYTHING)
        assert pool.slots >= 1 and pool.length == pool.length_step
        self.write(pool, 0, 0, tokens_of(1, 40))
        self.write_states(pool, 0, states_of(1), 40)
        pool.reserve(3, pool.length_step + 1, kept=EVERYTHING)

        assert (pool.slots, pool.length) == (3, 2 * pool.length_step)
        assert same(self.read(pool, 0, 40), tokens_of(1, 40))
        assert same(self.read_states(pool, 0), states_of(1))
        assert [pool.state_length(slot) for slot in range(3)] == [40, None, None]

    def test_more_than_the_budget_is_refused_and_changes_nothing(self) -> None:
        pool = self.pool_of(2)
        pool.reserve(2, pool.length_step, kept=EVERYTHING)
        self.write(pool, 1, 0, tokens_of(2, 16))
        with pytest.raises(EngineError, match=f"3 sequences of {pool.length_step} tokens"):
            pool.reserve(3, pool.length_step, kept=EVERYTHING)

        assert (pool.slots, pool.nbytes) == (2, pool.budget_bytes)
        assert same(self.read(pool, 1, 16), tokens_of(2, 16))

    def test_shrinking_keeps_what_lies_inside_and_gives_memory_back(self) -> None:
        pool = self.pool_of(4, 2)
        pool.reserve(4, 2 * pool.length_step, kept=EVERYTHING)
        self.write(pool, 0, 0, tokens_of(3, 16))
        pool.resize(1, 16, kept=EVERYTHING)

        assert pool.nbytes == pool.bytes_of(1, 16) == UNEQUAL.slot_bytes(pool.length_step)
        assert same(self.read(pool, 0, 16), tokens_of(3, 16))
        pool.release()
        assert pool.nbytes == 0

    def test_growing_keeps_of_each_slot_what_it_is_told_to(self) -> None:
        pool = self.pool_of(2, 2)
        pool.reserve(2, 64, kept=())
        for slot in (0, 1):
            self.write(pool, slot, 0, tokens_of(slot + 1, 40))
        pool.reserve(2, pool.length_step + 1, kept=[range(40), range(16, 40)])

        assert same(self.read(pool, 0, 40), tokens_of(1, 40))
        assert same(self.read(pool, 1, 24, 16), [layer[:, :, 16:] for layer in tokens_of(2, 40)])
        assert not same(self.read(pool, 1, 16), [layer[:, :, :16] for layer in tokens_of(2, 40)])

    @each_pool
    @given(st.data())
    def test_slots_move_and_change_places_with_what_they_hold(self, data: st.DataObject) -> None:
        pool = self.pool_of(3)
        pool.reserve(3, 64, kept=())
        held: dict[int, tuple[float, range] | None] = dict.fromkeys(range(3))
        for value in range(1, 8):
            first, second = data.draw(st.permutations(range(3)))[:2]
            start = data.draw(st.integers(0, 40))
            action = data.draw(st.sampled_from(["write", "move", "swap"]))
            if action == "write":
                tokens = data.draw(st.integers(1, 24))
                self.write(pool, first, start, tokens_of(value, tokens))
                self.write_states(pool, first, states_of(value), start + tokens)
                held[first] = (value, range(start, start + tokens))
            elif action == "move" and (content := held[first]):
                pool.move(first, second, content[1])
                held[second] = content
            elif action == "swap":
                one, other = held[first], held[second]
                pool.swap(first, one[1] if one else range(0), second, other[1] if other else range(0))
                held[first], held[second] = other, one
            for slot, content in held.items():
                if content is not None:
                    value_held, span = content
                    assert same(self.read(pool, slot, len(span), span.start), tokens_of(value_held, len(span)))
                    assert same(self.read_states(pool, slot), states_of(value_held))
                    assert pool.state_length(slot) == span.stop

    @each_pool
    @given(st.lists(st.tuples(st.booleans(), st.integers(1, BLOCK_TOKENS)), min_size=1, max_size=60))
    def test_every_block_keeps_what_was_copied_out_to_it(self, actions: list[tuple[bool, int]]) -> None:
        pool = self.pool_of(2, blocks=20)
        pool.reserve(2, 64, kept=())
        held: dict[Any, tuple[float, int]] = {}
        for value, (allocates, tokens) in enumerate(actions):
            if allocates:
                block = pool.allocate_block()
                assert (block is None) == (len(held) == pool.block_capacity == 20)
                if block is not None:
                    assert block not in held
                    self.write(pool, 0, 7, tokens_of(value, tokens))
                    pool.copy_out(0, 7, block, tokens)
                    held[block] = (value, tokens)
            elif held:
                pool.free_block(block := next(iter(held)))
                del held[block]
        assert pool.block_nbytes <= 20 * BLOCK_TOKENS * UNEQUAL.bytes_per_token
        for block, (value, tokens) in held.items():
            pool.copy_in(block, 1, 3, tokens)
            assert same(self.read(pool, 1, tokens, 3), tokens_of(value, tokens))

    @each_pool
    @given(st.lists(st.booleans(), min_size=1, max_size=40))
    def test_every_checkpoint_keeps_the_states_that_were_saved_to_it(self, actions: list[bool]) -> None:
        pool = self.pool_of(2, checkpoints=7)
        pool.reserve(2, 64, kept=())
        held: dict[Any, float] = {}
        for value, allocates in enumerate(actions):
            if allocates:
                checkpoint = pool.allocate_checkpoint()
                assert (checkpoint is None) == (len(held) == pool.checkpoint_capacity == 7)
                if checkpoint is not None:
                    self.write_states(pool, 0, states_of(value), value)
                    pool.save_states(0, checkpoint)
                    held[checkpoint] = value
            elif held:
                pool.free_checkpoint(checkpoint := next(iter(held)))
                del held[checkpoint]
        assert len(held) * UNEQUAL.state_bytes <= pool.checkpoint_nbytes <= 7 * UNEQUAL.state_bytes
        for checkpoint, value in held.items():
            pool.restore_states(checkpoint, 1, int(value))
            assert same(self.read_states(pool, 1), states_of(value))
            assert pool.state_length(1) == value

    def test_blocks_take_memory_as_they_are_needed_and_it_is_used_again(self) -> None:
        pool = self.pool_of(1, blocks=1000)
        assert pool.block_nbytes == 0
        block = pool.allocate_block()
        taken = pool.block_nbytes
        assert 0 < taken < 1000 * BLOCK_TOKENS * UNEQUAL.bytes_per_token
        for _ in range(200):
            assert block is not None
            pool.free_block(block)
            block = pool.allocate_block()
        assert pool.block_nbytes == taken

    def test_a_prefix_has_memory_of_its_own_whether_of_a_slot_or_of_blocks(self) -> None:
        pool = self.pool_of(2, blocks=2)
        pool.reserve(2, 64, kept=())
        self.write(pool, 0, 0, tokens_of(5, 2 * BLOCK_TOKENS))
        blocks = [block for _ in range(2) if (block := pool.allocate_block()) is not None]
        for number, block in enumerate(blocks):
            pool.copy_out(0, number * BLOCK_TOKENS, block, BLOCK_TOKENS)
        prefixes = [pool.prefix_of_slot(0, 2 * BLOCK_TOKENS), pool.prefix_of_blocks(blocks)]
        self.write(pool, 0, 0, tokens_of(6, 2 * BLOCK_TOKENS))
        for prefix in prefixes:
            assert len(prefix) == 2 * BLOCK_TOKENS
            self.write(pool, 1, 0, tokens_of(7, 40))
            pool.copy_prefix(prefix, 1)
            assert same(self.read(pool, 1, 2 * BLOCK_TOKENS), tokens_of(5, 2 * BLOCK_TOKENS))
            pool.free_prefix(prefix)

    def test_a_pool_for_prefilling_begins_with_the_prefix_and_gives_back_what_is_new(self) -> None:
        pool = self.pool_of(2)
        pool.reserve(2, 64, kept=())
        self.write(pool, 0, 0, tokens_of(5, 32))
        self.write(pool, 1, 0, tokens_of(7, 32))
        prefill = pool.prefill_pool(pool.prefix_of_slot(0, 32), 60)
        assert (prefill.slots, prefill.nbytes) == (1, pool.bytes_of(1, 60))
        assert same(self.read(prefill, 0, 32), tokens_of(5, 32))

        self.write(prefill, 0, 32, tokens_of(6, 8))
        pool.copy_from(prefill, 0, 1, range(32, 40))
        assert same(self.read(pool, 1, 8, 32), tokens_of(6, 8))
        assert same(self.read(pool, 1, 32), tokens_of(7, 32))

    @pytest.mark.parametrize("seeded", [True, False])
    def test_a_model_answers_on_it_as_on_the_hosts_pool(self, seeded: bool, tiny_model: ModelFolder) -> None:
        expected, _ = answers(tiny_model, HostPool, seeded=seeded)
        found, core = answers(tiny_model, self.make, seeded=seeded)
        assert found == expected
        assert core.statistics().cached_tokens > 0
        assert (core.statistics().shared_passes > 0) == (not seeded)  # what is seeded reads no shared prefix
