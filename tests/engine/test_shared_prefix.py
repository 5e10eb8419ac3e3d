"""The prefix that decoding rows share: found where it pays, read once, and nobody's answer but faster."""

from __future__ import annotations

import gc
import weakref
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_windows_ai.engine.core import EngineCore
from codex_windows_ai.engine.kv.host_pool import HostPool
from codex_windows_ai.engine.kv.pool import KVPrefix
from codex_windows_ai.engine.kv.prefix_cache import BLOCK_TOKENS
from codex_windows_ai.engine.kv.shared_prefix import SharedPrefixes
from codex_windows_ai.engine.sequence import Sequence
from codex_windows_ai.models.folder import ModelFolder
from tests.engine.clients import run
from tests.engine.pools import SPEC, block_of, new_sequence, read, write
from tests.engine.prefixes import OWN, PREFIX, SHARED, start, submit


@pytest.fixture(scope="module")
def core(tiny_model: ModelFolder) -> EngineCore:
    """For its `prepare`; it never runs a step here."""
    return start(tiny_model)


@pytest.fixture
def pool() -> HostPool:
    """Its slots hold numbers which tell their tokens."""
    pool = HostPool(SPEC, 2**30)
    pool.reserve(6, 256, kept=())
    for slot in range(6):
        write(pool, slot, 0, block_of(slot, 200))
    return pool


@pytest.fixture
def found(pool: HostPool) -> SharedPrefixes:
    return SharedPrefixes(pool, 2**20, 32)


def sequences(core: EngineCore, *owns: tuple[int, ...], seed: int | None = None) -> list[Sequence]:
    """Whose prompts are PREFIX and what is their own, all read."""
    made = [new_sequence(core, PREFIX + own, seed=seed) for own in owns]
    for slot, sequence in enumerate(made):
        sequence.slot = slot
        sequence.advance(sequence.prompt_length - 1, together=2)
    return made


def test_what_all_begin_with_is_found_in_whole_steps_and_holds_the_first_rows_numbers(
    core: EngineCore, pool: HostPool, found: SharedPrefixes
) -> None:
    prefix = found.for_pass(sequences(core, *OWN))
    assert prefix is not None
    assert prefix.tokens == list(PREFIX[:SHARED])
    assert found.nbytes == prefix.nbytes == SHARED * SPEC.bytes_per_token
    assert len(prefix) == prefix.handle.length == SHARED
    expected = read(pool, 0, SHARED)
    write(pool, 5, 0, block_of(9, 200))
    pool.copy_prefix(prefix.handle, 5)
    np.testing.assert_array_equal(read(pool, 5, SHARED), expected)


def test_what_is_held_serves_whoever_shares_it_and_no_other(core: EngineCore, found: SharedPrefixes) -> None:
    four = sequences(core, *OWN)
    first = found.for_pass(four)
    assert found.for_pass(four[:3]) is first
    assert found.for_pass([*four, *sequences(core, (4,))]) is first
    longer = found.for_pass(sequences(core, *[(1,) * 30 + own for own in OWN]))
    assert longer is not None and longer is not first and len(longer) == 128


@pytest.mark.parametrize("count", [1, 2])
def test_few_rows_read_their_own(core: EngineCore, found: SharedPrefixes, count: int) -> None:
    assert found.for_pass(sequences(core, *OWN[:count])) is None
    assert found.nbytes == 0


def test_short_prefixes_are_read_in_every_row(core: EngineCore, found: SharedPrefixes) -> None:
    assert found.for_pass([*sequences(core, *OWN), new_sequence(core, PREFIX[:8])]) is None


def test_with_a_seeded_request_among_them_all_read_their_own(core: EngineCore, found: SharedPrefixes) -> None:
    unseeded, seeded = sequences(core, *OWN), sequences(core, (1,), seed=1)
    assert found.for_pass([*unseeded, *seeded]) is None
    assert found.for_pass(unseeded) is not None


def test_the_last_token_before_the_new_one_is_never_shared(core: EngineCore, found: SharedPrefixes) -> None:
    alike = [new_sequence(core, PREFIX[:SHARED]) for _ in range(5)]
    for sequence in alike:
        sequence.slot = 0
        sequence.advance(SHARED, together=2)
    prefix = found.for_pass(alike)
    assert prefix is not None and len(prefix) == SHARED - BLOCK_TOKENS


def test_the_budget_bounds_its_length(core: EngineCore, pool: HostPool) -> None:
    small = SharedPrefixes(pool, 50 * SPEC.bytes_per_token, 32)
    prefix = small.for_pass(sequences(core, *OWN))
    assert prefix is not None and len(prefix) == 48
    assert SharedPrefixes(pool, 0, 32).for_pass(sequences(core, *OWN)) is None


def test_there_are_never_two(
    core: EngineCore, pool: HostPool, found: SharedPrefixes, monkeypatch: pytest.MonkeyPatch
) -> None:
    held: list[int] = []
    free = pool.free_prefix

    def note(prefix: KVPrefix) -> None:
        held.append(found.nbytes)
        free(prefix)

    monkeypatch.setattr(pool, "free_prefix", note)
    assert found.for_pass(sequences(core, *OWN)) is not None
    assert found.for_pass(sequences(core, *[(1,) * 30 + own for own in OWN])) is not None
    assert held == [0]


def test_released_it_is_found_again(core: EngineCore, found: SharedPrefixes) -> None:
    four = sequences(core, *OWN)
    assert found.for_pass(four) is not None
    found.release()
    assert found.nbytes == 0
    assert found.for_pass(four) is not None


def test_answers_are_as_likely_as_those_without_it(tiny_model: ModelFolder) -> None:
    results: list[list[list[float]]] = []
    for budget in (2**20, 0):
        core = start(tiny_model, shared_bytes=budget)
        clients = [submit(core, own) for own in OWN]
        run(core)
        assert bool(core.statistics().shared_passes) == bool(budget)
        results.append([client.logprobs[:6] for client in clients])
    np.testing.assert_allclose(*results, atol=0.1)  # int8 activations


def test_a_pass_writes_the_same_keys_and_values_and_nothing_else(tiny_model: ModelFolder) -> None:
    core = start(tiny_model, shared_bytes=0)
    for own in OWN:
        submit(core, own)
    while len(core.slots.decoding) < len(OWN):
        core.step()
    decoding = core.slots.decoding
    past = [sequence.computed for sequence in decoding]
    core.slots.reserve(max(past) + 1)
    tokens = np.array([[sequence.tokens[-1]] for sequence in decoding])
    before = [layer.copy() for layer in core.pool.layers]
    results, logits = [], []
    for prefix in (None, core.pool.prefix_of_slot(decoding[0].slot, SHARED)):
        for layer, kept in zip(core.pool.layers, before, strict=True):
            layer[:] = kept
        logits.append(core.model.forward(core.pool, decoding[0].slot, tokens, past, prefix=prefix))
        results.append([layer.copy() for layer in core.pool.layers])
    for plain, shared, kept in zip(*results, before, strict=True):
        np.testing.assert_allclose(shared, plain, atol=0.05)
        np.testing.assert_array_equal(shared != kept, plain != kept)
    np.testing.assert_allclose(*logits, atol=0.2)


def test_at_rest_its_memory_is_given_back(tiny_model: ModelFolder) -> None:
    core = start(tiny_model)
    for own in OWN:
        submit(core, own)
    while not core.statistics().shared_passes:
        core.step()
    held = core.shared.for_pass(core.slots.decoding)
    assert held is not None
    assert core.statistics().shared_bytes == held.nbytes >= SHARED * core.model.spec.bytes_per_token
    memory, held = weakref.ref(held), None
    run(core)
    gc.collect()
    assert (core.statistics().shared_bytes, core.pool.prefix_nbytes, memory()) == (0, 0, None)


def test_a_model_that_takes_no_prefix_is_given_none(tiny_model: ModelFolder) -> None:
    core = start(replace(tiny_model, cpu_model_file=tiny_model.model_file))
    assert not core.model.shares_prefixes
    clients = [submit(core, own) for own in OWN]
    run(core)
    assert core.statistics().shared_passes == 0
    assert all(client.deltas[-1].finish_reason for client in clients)


@given(st.lists(st.lists(st.integers(0, 2), min_size=30, max_size=80), min_size=3, max_size=6))
def test_what_is_shared_is_what_all_begin_with(core: EngineCore, prompts: list[list[int]]) -> None:
    pool = HostPool(SPEC, 2**30)
    pool.reserve(6, 256, kept=())
    alike = [new_sequence(core, (1,) * 20 + tuple(prompt)) for prompt in prompts]
    for sequence in alike:
        sequence.slot = 0
        sequence.advance(sequence.prompt_length, together=2)
    prefix = SharedPrefixes(pool, 2**20, 16).for_pass(alike)
    assert prefix is not None
    tokens = [sequence.tokens for sequence in alike]
    assert all(other[: len(prefix)] == prefix.tokens for other in tokens)
    longer = min(map(len, tokens)) > len(prefix) + BLOCK_TOKENS
    assert not (
        longer
        and all(other[: len(prefix) + BLOCK_TOKENS] == tokens[0][: len(prefix) + BLOCK_TOKENS] for other in tokens)
    )
