"""One stream beside the memory's floor: figures from known times, bytes from known graphs, and a run."""

from __future__ import annotations

import pytest

from codex_windows_ai.bench.bench import Bench
from codex_windows_ai.bench.floor import Memory
from codex_windows_ai.bench.sides.side import Reply
from codex_windows_ai.bench.workloads import single
from codex_windows_ai.errors import InvalidRequestError


def test_the_share_of_the_floor_is_what_was_written_by_what_memory_allows() -> None:
    reply = Reply(first_token=2.0, total=4.0, tokens=(1,) * 21, input_tokens=100)  # ten tokens a second
    measured = [single.Measured(reply, 4000.0), single.Measured(reply, 2000.0)]

    figures = single.floor_figures(measured, weights=90, past=10)

    assert figures["reading_tokens_per_s"].rounds == (50.0, 50.0)
    assert figures["writing_tokens_per_s"].rounds == (10.0, 10.0)
    assert figures["floor_tokens_per_s"].rounds == (40.0, 20.0)
    assert figures["floor_share"].rounds == (0.25, 0.5)


def test_the_engine_has_as_many_threads_as_the_floor_is_measured_with(bench: Bench) -> None:
    from codex_windows_ai.engine.model import Model, engine_threads

    for wanted in (None, 1, 64):
        assert engine_threads(bench.folder, wanted) == Model(bench.folder, threads=wanted).threads


def test_memory_is_read_whole(bench: Bench) -> None:
    with Memory(2, 1 << 16) as memory:
        assert memory.bandwidth() > 0


@pytest.mark.anyio
async def test_a_run_has_every_history_that_fits_and_says_which_do_not(bench: Bench) -> None:
    size = single.SingleSize(histories=(32, 64, 9000), output=6, buffer=1 << 20)

    outcome = await single.run(bench, size)

    *histories, whole, memory = outcome.results
    assert [result.case for result in histories] == ["32 tokens", "64 tokens"]
    for result in histories:
        assert result.figures["writing_tokens_per_s"].median > 0
        step = result.figures["weight_bytes"].median + result.figures["past_bytes"].median
        bandwidth = result.figures["floor_tokens_per_s"].median * step / 1e9
        assert bandwidth in [pytest.approx(each) for each in memory.figures["bandwidth_gb_per_s"].rounds]
    assert whole.figures["memory_bytes"].median > 1e6
    assert [target.must for target in outcome.targets] == [">= 0.65", ">= 0.65"]
    assert "Histories of 9,000 tokens do not fit into the window of 8,192." in outcome.notes


@pytest.mark.anyio
async def test_a_window_too_small_for_any_history_is_refused(bench: Bench) -> None:
    with pytest.raises(InvalidRequestError, match="too small"):
        await single.run(bench, single.SingleSize(histories=(9000,)))
