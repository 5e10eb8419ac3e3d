"""A prefix that is not copied to the slots of sequences that begin with it, and when it must be after all."""

from __future__ import annotations

import numpy as np
import pytest

from codex_windows_ai.engine.core import EngineCore
from codex_windows_ai.engine.kv.pool import BLOCK_TOKENS
from codex_windows_ai.engine.kv.shared_prefix import SharedPrefix
from codex_windows_ai.errors import EngineError
from codex_windows_ai.models.folder import ModelFolder
from tests.engine.clients import run
from tests.engine.pools import STEP, new_sequence
from tests.engine.prefixes import OWN, PREFIX, SHARED, read_all, start, submit

Content = tuple[list[int], list[np.ndarray]]


def attached(core: EngineCore) -> list[int]:
    return [sequence.attached for sequence in core.slots.sequences]


def attaching(folder: ModelFolder, **changes: int) -> EngineCore:
    """Of four agents one has read what all begin with; to the others it is attached."""
    core = start(folder, **changes)
    for own in OWN:
        submit(core, own, tokens=60)
    read_all(core)
    assert attached(core) == [0, SHARED, SHARED, SHARED]
    return core


@pytest.fixture
def core(tiny_model: ModelFolder) -> EngineCore:
    """Attaches, and drafts nothing."""
    return attaching(tiny_model, speculating_sequences=0)


def test_rows_that_borrow_hold_only_what_is_their_own(core: EngineCore) -> None:
    for layer in core.pool.layers:
        for sequence in core.slots.sequences[1:]:
            assert not layer[:, sequence.slot, :, :SHARED].any()
            assert layer[:, sequence.slot, :, SHARED : sequence.computed].any(axis=-1).all()
    usages = [sequence.cached_tokens for sequence in core.slots.sequences]
    assert usages == [0, SHARED, SHARED, SHARED]
    assert core.statistics().lent_tokens == 3 * SHARED
    run(core)
    assert core.statistics().shared_passes > 40


def test_prompts_behind_it_are_read_to_the_same_bits_as_in_a_row_of_their_own(tiny_model: ModelFolder) -> None:
    firsts: list[list[float]] = []
    for budget in (2**20, 0):
        core = start(tiny_model, shared_bytes=budget)
        clients = [submit(core, (n,) * 40, tokens=1) for n in range(6)]
        run(core)
        assert core.statistics().cached_tokens == 5 * len(PREFIX)
        firsts.append([client.logprobs[0] for client in clients])
    assert firsts[0] == firsts[1]


def test_prompts_read_in_pieces_between_each_other_are_read_to_the_same_bits(tiny_model: ModelFolder) -> None:
    firsts: list[list[float]] = []
    for budget in (2**20, 0):
        core = start(tiny_model, shared_bytes=budget, prefill_chunk=16, prefill_seconds=0)
        clients = [submit(core, (*range(n, n + 70),), tokens=1) for n in range(4)]
        run(core)
        firsts.append([client.logprobs[0] for client in clients])
    assert firsts[0] == firsts[1]


def content_of(core: EngineCore, prefix: SharedPrefix) -> Content:
    """A prefix's tokens, and its keys and values of each layer."""
    own = core.pool.prefill_pool(prefix.handle, len(prefix))
    return prefix.tokens, [layer[:, 0, :, : len(prefix)] for layer in own.layers]


def assert_whole(core: EngineCore, content: Content) -> None:
    tokens, expected = content
    alike = [sequence for sequence in core.slots.sequences if sequence.begins_with(tokens)]
    assert alike
    for sequence in alike:
        assert not sequence.attached
        for layer, values in zip(core.pool.layers, expected, strict=True):
            np.testing.assert_allclose(layer[:, sequence.slot, :, :SHARED], values, atol=0.01)


@pytest.mark.parametrize(("prefix", "seed"), [((9, 9, 9), None), (PREFIX, 1)])
def test_beside_one_who_begins_otherwise_or_is_seeded_rows_are_whole(
    core: EngineCore, prefix: tuple[int, ...], seed: int | None
) -> None:
    shared = core.shared.for_pass(core.slots.decoding)
    assert shared is not None
    content = content_of(core, shared)
    submit(core, (3, 3), seed=seed, prefix=prefix)
    read_all(core)
    assert SHARED in attached(core)
    core.step()
    assert_whole(core, content)
    run(core)


def test_behind_what_was_decoded_nothing_counts_as_exact(tiny_model: ModelFolder) -> None:
    core = start(tiny_model, speculating_sequences=0)
    first = submit(core, (), tokens=100, prefix=PREFIX[:40])
    while first.sequence.output_tokens < 70:
        core.step()
    history = tuple(first.sequence.tokens[:100])
    for n in range(3):
        submit(core, (n,) * 40, prefix=history, tokens=60)
    read_all(core)
    assert attached(core) == [0, SHARED, SHARED, SHARED]
    assert [sequence.exact_length for sequence in core.slots.sequences] == [40, 32, 32, 32]
    run(core)


def test_memory_that_was_given_back_is_bound_no_more(tiny_model: ModelFolder) -> None:
    core = start(tiny_model)
    for _ in range(3):
        for own in OWN:
            submit(core, own)
        run(core)
        assert core.pool.bindings == 0


def test_one_more_who_begins_alike_borrows_too(core: EngineCore) -> None:
    submit(core, (3, 3))
    read_all(core)
    core.step()
    assert attached(core) == [0, SHARED, SHARED, SHARED, SHARED]


def test_beside_one_who_has_no_more_than_the_prefix_rows_are_whole(core: EngineCore) -> None:
    shared = core.shared.for_pass(core.slots.decoding)
    assert shared is not None
    content = content_of(core, shared)
    submit(core, (), prefix=PREFIX[:SHARED])
    read_all(core)
    core.step()
    assert_whole(core, content)
    run(core)


def test_who_is_left_alone_gets_its_row_whole_after_a_while(core: EngineCore) -> None:
    shared = core.shared.for_pass(core.slots.decoding)
    assert shared is not None
    content = content_of(core, shared)
    last = core.slots.sequences[-1]
    for sequence in core.slots.sequences[:-1]:
        core.cancel(sequence)
    core.step()
    assert last.attached == SHARED  # others may come back at once
    while last.attached:
        core.step()
    assert 10 < last.output_tokens < 40
    assert_whole(core, content)
    run(core)


def test_guesses_are_checked_in_a_row_that_is_whole(tiny_model: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    core = attaching(tiny_model)
    shared = core.shared.for_pass(core.slots.decoding)
    assert shared is not None
    content = content_of(core, shared)
    last = core.slots.sequences[-1]
    for sequence in core.slots.sequences[:-1]:
        core.cancel(sequence)
    monkeypatch.setattr(last, "draft", lambda: [1, 2])
    core.step()
    assert_whole(core, content)


def test_a_pass_that_fails_leaves_nothing_in_the_reading_row(core: EngineCore, monkeypatch: pytest.MonkeyPatch) -> None:
    held = core.shared.held
    assert held is not None
    unlucky, lucky = submit(core, (1,) * 40), submit(core, (2,) * 40)
    forward = core.model.forward

    def fail_once(*arguments: object, **options: object) -> None:
        monkeypatch.setattr(core.model, "forward", forward)
        raise RuntimeError("the device is gone")

    monkeypatch.setattr(core.model, "forward", fail_once)
    for step in core.scheduler.admissions():
        core.execute(step)
    for step in core.scheduler.prefills():
        core.execute(step)
    assert held.prefill_slot.holder is None or held.prefill_slot.holder is lucky.sequence
    assert isinstance(unlucky.error, EngineError)
    run(core)
    assert lucky.deltas[-1].finish_reason


def test_who_shares_less_has_all_borrow_less(core: EngineCore) -> None:
    shared = core.shared.for_pass(core.slots.decoding)
    assert shared is not None
    content = content_of(core, shared)
    submit(core, (9, 9), prefix=PREFIX[:60])
    read_all(core)
    assert attached(core) == [0, 0, 0, 0, 48]
    last = core.slots.sequences[-1]
    for sequence in core.slots.sequences[1:4]:
        for layer, values in zip(core.pool.layers, content[1], strict=True):
            np.testing.assert_array_equal(layer[:, sequence.slot, :, :SHARED], values)
    passes = core.statistics().shared_passes
    core.step()
    assert (last.attached, core.statistics().shared_passes) == (48, passes + 1)
    run(core)


def test_what_the_cache_has_no_more_is_not_lent(core: EngineCore) -> None:
    fifth = new_sequence(core, (*PREFIX, 3, 3))
    running = [*core.slots.sequences, fifth]
    cached = core.prefixes.cached_blocks(fifth)
    assert len(cached) * BLOCK_TOKENS == SHARED
    assert core.shared.attach(fifth, running, cached[:-1]) is None
    assert core.shared.attach(fifth, running, cached) is not None


def test_it_is_not_lent_where_the_budget_has_no_room_to_read_behind_it(tiny_model: ModelFolder) -> None:
    core = start(tiny_model)
    token_bytes = core.model.spec.bytes_per_token
    needed = SHARED * token_bytes + core.pool.bytes_of(1, 2 * SHARED)
    assert needed == (SHARED + STEP) * token_bytes
    for budget in (needed - 1, needed):
        core = start(tiny_model, shared_bytes=budget)
        for own in OWN:
            submit(core, own)
        read_all(core)
        assert (SHARED in attached(core)) == (budget == needed)
        run(core)


def test_prompts_with_more_of_their_own_are_read_in_their_own_rows(tiny_model: ModelFolder) -> None:
    core = start(tiny_model)
    for n in range(4):
        submit(core, (n,) * (100 if n % 2 else 10), tokens=40)
    read_all(core)
    assert {sequence.prompt_length: sequence.attached for sequence in core.slots.sequences} == {200: 0, 110: SHARED}
