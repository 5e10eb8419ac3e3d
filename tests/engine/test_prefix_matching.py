"""Between slots and prefix cache: what is matched, what is inserted, what is unlocked."""

from __future__ import annotations

import pytest

from codex_windows_ai.engine.configuration import EngineConfiguration
from codex_windows_ai.engine.core import EngineCore
from codex_windows_ai.engine.kv.host_pool import HostPool
from codex_windows_ai.engine.kv.pool import BLOCK_TOKENS
from codex_windows_ai.engine.kv.prefix_cache import PrefixCache
from codex_windows_ai.engine.kv.prefix_matching import PrefixMatcher
from codex_windows_ai.engine.kv.slots import Slots
from codex_windows_ai.engine.sequence import Sequence
from codex_windows_ai.models.folder import ModelFolder
from tests.engine.pools import block_of, new_sequence, pool_of, read, write


@pytest.fixture(scope="module")
def core(tiny_model: ModelFolder) -> EngineCore:
    """For its `prepare`; it never runs a step here."""
    return EngineCore(tiny_model, EngineConfiguration(threads=1))


def exchange_of(pool: HostPool) -> tuple[PrefixCache, Slots, PrefixMatcher]:
    cache, slots = PrefixCache(pool), Slots(pool)
    return cache, slots, PrefixMatcher(cache, slots)


@pytest.fixture
def exchange() -> tuple[PrefixCache, Slots, PrefixMatcher]:
    return exchange_of(pool_of(16, blocks=100))


Exchange = tuple[PrefixCache, Slots, PrefixMatcher]


def prefill(exchange: Exchange, sequence: Sequence, value: float, tokens: int | None = None) -> None:
    _, slots, prefixes = exchange
    if sequence.slot < 0:
        slots.allocate_slot(sequence)
    count = sequence.remaining if tokens is None else tokens
    slots.reserve(sequence.computed + count)
    write(slots.pool, sequence.slot, sequence.computed, block_of(value, count))
    sequence.advance(count, together=count)
    prefixes.insert_blocks(sequence)


def references(cache: PrefixCache) -> int:
    return sum(block.references for block in cache.blocks())


def test_what_one_sequence_computed_another_takes(core: EngineCore, exchange: Exchange) -> None:
    cache, slots, prefixes = exchange
    first, second = new_sequence(core, 100), new_sequence(core, 110)
    prefill(exchange, first, 5.0)
    slots.allocate_slot(second)
    prefixes.match_blocks(second)

    assert (second.computed, second.cached_tokens, second.exact_length) == (96, 96, 96)
    assert (read(slots.pool, second.slot, 96) == read(slots.pool, first.slot, 96)).all()
    assert references(cache) == 2
    for sequence in (first, second):
        prefixes.unlock_blocks(sequence)
    assert references(cache) == 0


@pytest.mark.parametrize(("seed", "spare"), [(None, 1), (0, 2)])
def test_enough_of_the_prompt_stays_to_be_computed(
    core: EngineCore, exchange: Exchange, seed: int | None, spare: int
) -> None:
    _, slots, prefixes = exchange
    prefill(exchange, new_sequence(core, 96), 1.0)
    for length in range(90, 100):
        slots.allocate_slot(sequence := new_sequence(core, length, seed=seed))
        prefixes.match_blocks(sequence)
        assert sequence.computed == min(length - spare, 96)


def test_a_prompt_continues_from_what_was_computed_meanwhile(core: EngineCore, exchange: Exchange) -> None:
    _, _, prefixes = exchange
    late, early = new_sequence(core, 200), new_sequence(core, 200)
    prefill(exchange, late, 1.0, tokens=32)
    prefill(exchange, early, 1.0)
    prefixes.match_blocks(late)

    assert late.computed == 192
    assert late.cached_tokens == 160


def test_of_a_block_that_goes_on_otherwise_the_first_tokens_are_taken(core: EngineCore, exchange: Exchange) -> None:
    cache, slots, prefixes = exchange
    first = new_sequence(core, 100)
    prefill(exchange, first, 5.0)
    slots.allocate_slot(second := new_sequence(core, (*range(41), *range(200, 250))))
    prefixes.match_blocks(second)

    assert (second.computed, second.cached_tokens, second.exact_length, second.blocks) == (41, 41, 41, 2)
    assert (read(slots.pool, second.slot, 41) == read(slots.pool, first.slot, 41)).all()
    assert references(cache) == 2
    prefill(exchange, second, 6.0)
    assert second.blocks == 5
    assert [len(block.tokens) for block in cache.match(second.tokens, exact=True)] == [BLOCK_TOKENS] * 5


def test_the_next_turn_takes_all_that_was_computed(core: EngineCore, exchange: Exchange) -> None:
    cache, slots, prefixes = exchange
    first = new_sequence(core, 100)
    prefill(exchange, first, 5.0)
    computed = read(slots.pool, first.slot, 100)
    prefixes.unlock_blocks(first)
    slots.allocate_slot(second := new_sequence(core, 130))
    prefixes.match_blocks(second)

    assert (second.computed, second.exact_length, second.blocks) == (100, 100, 6)
    assert (read(slots.pool, second.slot, 100) == computed).all()
    size = cache.size
    prefixes.unlock_blocks(second)  # it has computed nothing that is not there
    assert cache.size == size


def test_the_rest_of_a_decoded_block_is_not_for_exact_sequences(core: EngineCore, exchange: Exchange) -> None:
    _, slots, prefixes = exchange
    talker = new_sequence(core, 40, 60)
    prefill(exchange, talker, 1.0)
    talker.tokens.append(40)
    slots.reserve(talker.computed + 1)
    talker.advance(1, together=1)
    prefixes.unlock_blocks(talker)
    taken: list[int] = []
    for seed in (None, 1):
        slots.allocate_slot(sequence := new_sequence(core, 60, seed=seed))
        prefixes.match_blocks(sequence)
        taken.append(sequence.computed)

    assert taken == [41, 32]


def test_a_sequence_in_the_middle_of_a_block_takes_nothing(core: EngineCore, exchange: Exchange) -> None:
    _, _, prefixes = exchange
    prefill(exchange, new_sequence(core, 200), 1.0)
    sequence = new_sequence(core, 200)
    prefill(exchange, sequence, 1.0, tokens=40)
    prefixes.match_blocks(sequence)

    assert sequence.computed == 40


def test_decoded_blocks_are_not_for_exact_sequences(core: EngineCore, exchange: Exchange) -> None:
    cache, slots, prefixes = exchange
    talker = new_sequence(core, 40, 60)
    prefill(exchange, talker, 1.0)
    for token in range(56):
        slots.reserve(talker.computed + 1)
        talker.tokens.append((40 + token) % 256)
        talker.advance(1, together=1)
        prefixes.insert_blocks(talker)
    free, exact = new_sequence(core, 120), new_sequence(core, 120, seed=1)
    for sequence in (free, exact):
        slots.allocate_slot(sequence)
        prefixes.match_blocks(sequence)

    assert (free.computed, free.exact_length) == (96, 32)
    assert exact.computed == 32
    prefill(exchange, exact, 9.0)
    path = cache.match(exact.tokens, exact=False)
    assert [block.exact for block in path] == [True] * (112 // BLOCK_TOKENS)


def test_a_sequence_that_began_on_decoded_blocks_never_counts_as_exact(core: EngineCore, exchange: Exchange) -> None:
    cache, slots, prefixes = exchange
    cache.insert(None, tuple(range(BLOCK_TOKENS)), lambda _: None, exact=False)
    sequence = new_sequence(core, 120)
    slots.allocate_slot(sequence)
    prefixes.match_blocks(sequence)
    prefill(exchange, sequence, 2.0)

    assert sequence.cached_tokens == BLOCK_TOKENS
    assert cache.match(sequence.tokens, exact=True) == []


def test_the_rest_behind_blocks_that_found_no_room_is_not_kept(core: EngineCore) -> None:
    cache, _, _ = exchange = exchange_of(pool_of(4, blocks=2))
    holder, sequence = new_sequence(core, tuple(range(100, 164))), new_sequence(core, 100)
    prefill(exchange, holder, 1.0)
    prefill(exchange, sequence, 2.0)
    exchange[2].unlock_blocks(holder)
    exchange[2].unlock_blocks(sequence)
    assert {block.tokens for block in cache.blocks()} == {tuple(holder.tokens[n : n + 16]) for n in (0, 16)}


def test_a_full_cache_of_blocks_in_use_is_no_error_and_is_tried_again(core: EngineCore) -> None:
    cache, _, _ = exchange = exchange_of(pool_of(4, blocks=2))
    holder = new_sequence(core, tuple(range(100, 164)))
    prefill(exchange, holder, 1.0)
    sequence = new_sequence(core, 100)
    prefill(exchange, sequence, 2.0)
    assert (sequence.blocks, cache.size) == (0, 2)

    exchange[2].unlock_blocks(holder)
    exchange[2].insert_blocks(sequence)
    assert sequence.blocks == 2
    exchange[2].unlock_blocks(sequence)
    exchange[2].unlock_blocks(sequence)  # twice is harmless
    assert references(cache) == 0
