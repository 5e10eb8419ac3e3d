"""Rows of keys and values: they grow, shrink and move without losing anything."""

from __future__ import annotations

import numpy as np
import pytest

from codex_windows_ai.engine.kv.host_pool import HostPool
from codex_windows_ai.engine.kv.prefix_cache import BLOCK_TOKENS
from codex_windows_ai.errors import EngineError
from tests.engine.rows import SHAPE, STEP, block_of, read, rows_of


@pytest.fixture(autouse=True)
def no_spare_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(HostPool, "FEWEST_ROWS", 1)


EVERYTHING = [range(2 * STEP)] * 4


def test_rows_grow_by_steps_and_keep_what_they_hold() -> None:
    rows = rows_of(3, 2 * STEP)
    rows.ensure(1, 40, kept=EVERYTHING)
    assert (rows.rows, rows.length) == (1, STEP)
    rows.write(0, 0, block_of(1.0))
    rows.ensure(3, STEP + 1, kept=EVERYTHING)

    assert (rows.rows, rows.length) == (3, 2 * STEP)
    assert (read(rows, 0, BLOCK_TOKENS) == block_of(1.0)).all()


def test_what_is_large_enough_is_left_where_it_is() -> None:
    rows = rows_of(3)
    rows.ensure(2, 10, kept=EVERYTHING)
    generation = rows.generation
    rows.ensure(1, STEP, kept=EVERYTHING)

    assert rows.generation == generation


def test_every_move_of_memory_has_a_name_of_its_own() -> None:
    one, other = rows_of(3), rows_of(3)
    generations = [one.generation, other.generation]
    for rows in (one, other, one):
        rows.resize(rows.rows + 1, 10, kept=EVERYTHING)
        generations.append(rows.generation)

    assert len(set(generations)) == len(generations)


def test_more_than_the_budget_is_refused_and_changes_nothing() -> None:
    rows = rows_of(2)
    rows.ensure(2, STEP, kept=EVERYTHING)
    rows.write(1, 0, block_of(2.0))

    with pytest.raises(EngineError, match="3 sequences of 256 tokens"):
        rows.ensure(3, STEP, kept=EVERYTHING)
    assert (rows.rows, rows.nbytes) == (2, rows.budget_bytes)
    assert (read(rows, 1, BLOCK_TOKENS) == block_of(2.0)).all()


def test_shrinking_keeps_what_lies_inside_and_gives_memory_back() -> None:
    rows = rows_of(4, 2 * STEP)
    rows.ensure(4, 2 * STEP, kept=EVERYTHING)
    rows.write(0, 0, block_of(3.0))
    rows.resize(1, BLOCK_TOKENS, kept=EVERYTHING)

    assert rows.nbytes == STEP * SHAPE.bytes_per_token
    assert (read(rows, 0, BLOCK_TOKENS) == block_of(3.0)).all()
    rows.release()
    assert rows.nbytes == 0


def test_rows_are_copied_and_exchanged_where_they_hold_something() -> None:
    rows = rows_of(2)
    rows.ensure(2, 64, kept=EVERYTHING)
    for row in (0, 1):
        rows.write(row, 0, block_of(row))
        rows.write(row, BLOCK_TOKENS, block_of(row + 10))
    rows.swap_rows(0, range(BLOCK_TOKENS), 1, range(BLOCK_TOKENS))
    assert (read(rows, 0, BLOCK_TOKENS) == block_of(1)).all()
    assert (read(rows, 0, BLOCK_TOKENS, BLOCK_TOKENS) == block_of(10)).all()
    assert (read(rows, 1, BLOCK_TOKENS) == block_of(0)).all()

    rows.copy_row(1, 0, range(2 * BLOCK_TOKENS))
    assert (read(rows, 0, 2 * BLOCK_TOKENS) == read(rows, 1, 2 * BLOCK_TOKENS)).all()


def test_rows_that_hold_different_tokens_are_exchanged() -> None:
    rows = rows_of(2)
    rows.ensure(2, 64, kept=EVERYTHING)
    rows.write(0, 0, block_of(1, 40))
    rows.write(1, 30, block_of(2, 20))
    rows.swap_rows(0, range(40), 1, range(30, 50))
    assert (read(rows, 1, 40) == block_of(1, 40)).all()
    assert (read(rows, 0, 20, 30) == block_of(2, 20)).all()


def test_a_row_is_copied_from_other_rows() -> None:
    rows, others = rows_of(1), rows_of(2)
    rows.ensure(1, 64, kept=())
    others.ensure(2, 64, kept=())
    rows.write(0, 0, block_of(1, 40))
    others.write(1, 0, block_of(2, 40))
    rows.copy_row(1, 0, range(16, 32), others)
    assert (read(rows, 0, 16, 16) == block_of(2, 40)[:, :, :, 16:32]).all()
    assert (read(rows, 0, 16) == block_of(1)).all()


def test_growing_keeps_of_each_row_what_it_is_told_to() -> None:
    rows = rows_of(2, 2 * STEP)
    rows.ensure(2, 64, kept=())
    for row in (0, 1):
        rows.write(row, 0, block_of(row + 1, 40))
    rows.ensure(2, STEP + 1, kept=[range(40), range(16, 40)])
    assert (read(rows, 0, 40) == block_of(1, 40)).all()
    assert (read(rows, 1, 24, 16) == block_of(2, 40)[:, :, :, 16:]).all()
    assert not read(rows, 1, 16).any()


def run_out_in_the_second_layer(rows: HostPool, monkeypatch: pytest.MonkeyPatch) -> None:
    allocate = rows._allocate
    calls: list[int] = []

    def run_out(count: int, length: int) -> np.ndarray:
        calls.append(count)
        if len(calls) == 2:
            raise MemoryError
        return allocate(count, length)

    monkeypatch.setattr(rows, "_allocate", run_out)


def test_memory_that_runs_out_halfway_leaves_the_rows_usable(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_of(4)
    rows.ensure(1, STEP, kept=EVERYTHING)
    rows.write(0, 0, block_of(4.0))
    generation = rows.generation
    run_out_in_the_second_layer(rows, monkeypatch)
    with pytest.raises(MemoryError):
        rows.ensure(2, STEP, kept=EVERYTHING)

    assert rows.generation != generation  # bindings to the memory that was replaced must go
    assert (rows.rows, rows.length) == (1, STEP)
    assert (read(rows, 0, BLOCK_TOKENS) == block_of(4.0)).all()
    rows.ensure(2, STEP, kept=EVERYTHING)
    assert (read(rows, 0, BLOCK_TOKENS) == block_of(4.0)).all()


def test_memory_that_runs_out_while_shrinking_leaves_what_both_sizes_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = rows_of(2, 2 * STEP)
    rows.ensure(2, 2 * STEP, kept=EVERYTHING)
    rows.write(0, 0, block_of(4.0))
    run_out_in_the_second_layer(rows, monkeypatch)
    with pytest.raises(MemoryError):
        rows.resize(1, BLOCK_TOKENS, kept=EVERYTHING)

    rows.ensure(2, 2 * STEP, kept=EVERYTHING)
    rows.write(1, STEP, block_of(5.0))
    assert (read(rows, 0, BLOCK_TOKENS) == block_of(4.0)).all()
    assert (read(rows, 1, BLOCK_TOKENS, STEP) == block_of(5.0)).all()
