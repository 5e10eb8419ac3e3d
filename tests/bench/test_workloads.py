"""Each workload, tiny, from end to end with the real baseline."""

from __future__ import annotations

import pytest

from codex_windows_ai.bench.bench import Bench, Round, in_turn
from codex_windows_ai.bench.figures import Outcome, ratio
from codex_windows_ai.bench.sides.side import Reply
from codex_windows_ai.bench.workloads import agents, edit, flood, intruder, plan, soak, transport
from codex_windows_ai.bench.workloads.text import ConversationSize

pytestmark = pytest.mark.anyio

TINY = ConversationSize(agents=2, turns=1, system=64, own_context=16, input=16, output=4)


def figure(outcome: Outcome, side: str, name: str, case: str = "") -> float:
    result = next(result for result in outcome.results if (result.side, result.case) == (side, case))
    return result.figures[name].median


async def test_agents_compares_with_the_faster_status_quo(bench: Bench) -> None:
    outcome = await agents.run(bench, TINY)

    trials = {r.side: r.figures["seconds"].median for r in outcome.results if r.case == "trial of one turn"}
    faster = min(trials, key=lambda side: trials[side])
    assert f"`{faster.removeprefix('status quo, ')}`" in outcome.notes[0]
    assert len(trials) == 2
    ours, baseline = (figure(outcome, side, "latency_p50_s") for side in ("ours", "status quo"))
    assert outcome.latency_ratio
    assert outcome.latency_ratio.median == pytest.approx(ours / baseline)
    assert outcome.throughput_ratio
    assert outcome.memory_ratio
    assert outcome.memory_ratio.median < 1
    assert figure(outcome, "status quo", "cached_share") == 0
    assert [target.must for target in outcome.targets] == ["<= 0.2", "<= 0.2", ">= 6", "<= 0.25"]


async def test_the_prefix_is_computed_once_for_all_agents(real_bench: Bench) -> None:
    outcome = await agents.run(real_bench, TINY)

    # Two agents of 96 tokens: the second finds the 64 of the system prompt, and the words that open both contexts.
    assert 64 <= figure(outcome, "ours", "cached_share") * 2 * 96 < 64 + 16


async def test_curve_compares_with_one_request_after_another(bench: Bench) -> None:
    outcome = await agents.run_curve(bench, TINY, agents=(1, 2))

    assert [(comparison.baseline_name, comparison.name) for comparison in outcome.comparisons] == [
        (agents.ORACLE, "tokens a second, 2 agents"),
        (agents.CACHED, "tokens a second, 1 agent"),
        (agents.CACHED, "tokens a second, 2 agents"),
    ]
    assert [target.must for target in outcome.targets] == [">= 1"]
    assert figure(outcome, agents.ORACLE, "cached_share", "2 agents") == 0
    assert figure(outcome, agents.CACHED, "cached_share", "2 agents") > 0
    # The second in line waits for the first, and its latency includes that.
    longest, seconds = (figure(outcome, agents.CACHED, name, "2 agents") for name in ("latency_p99_s", "seconds"))
    assert seconds / 2 < longest <= seconds


async def test_edit_measures_both_kinds_of_text_with_and_without_speculation(real_bench: Bench) -> None:
    outcome = await edit.run(real_bench, edit.EditSize(edit_tokens=40, text_tokens=8))

    assert figure(outcome, edit.SPECULATING, "output_tokens", edit.EDIT) == 40
    assert figure(outcome, edit.PLAIN, "output_tokens", edit.TEXT) == 8
    # The model does repeat: its first line is the one that follows in the file.
    assert figure(outcome, edit.PLAIN, "copied_lines_share", edit.EDIT) > 0
    assert [target.must for target in outcome.targets] == [">= 2", ">= 0.95"]


async def test_intruder_asks_while_the_long_prompt_is_read(bench: Bench) -> None:
    outcome = await intruder.run(bench, intruder.IntruderSize(prompt=600, requests=3))

    assert figure(outcome, "ours", "requests", intruder.IDLE) == 3
    assert figure(outcome, "ours", "requests", intruder.BUSY) >= 1
    tail = next(c for c in outcome.comparisons if c.name == "latency p95 of short requests")
    assert outcome.targets[0].value == ratio(tail.ours, tail.baseline)
    assert figure(outcome, "ours", "first_token_s", "the intruder itself") > 0


async def test_flood_sends_what_no_host_can_serve_while_short_requests_are_asked(bench: Bench) -> None:
    outcome = await flood.run(bench, flood.FloodSize(requests=3, output=2, senders=2, scale=50))

    assert figure(outcome, "ours", "flood_requests", flood.FLOODED) >= 1
    for case in (flood.QUIET, flood.FLOODED):
        assert 0 < figure(outcome, "ours", "health_p95_s", case) <= figure(outcome, "ours", "health_longest_s", case)
    tail = next(c for c in outcome.comparisons if c.name == "latency p95 of short requests")
    assert outcome.targets[0].value == ratio(tail.ours, tail.baseline)
    assert [target.must for target in outcome.targets] == ["<= 2", "<= 0.05"]


def test_the_flood_has_megabytes_thousands_and_depth() -> None:
    sent = flood.bodies("a-model")

    assert len(sent["a prompt of 15 MB"]) > 15_000_000
    assert sent["100,000 messages"].count(b"role") == 100_000
    assert sent["10,000 tools"].count(b"parameters") == 10_000
    assert sent["lists 7,000,000 deep"].count(b"[") == 7_000_000
    assert all(len(body) < 16 * 1024 * 1024 for body in sent.values())


async def test_soak_ends_with_nothing_left_behind(bench: Bench) -> None:
    size = soak.SoakSize(agents=3, prefixes=3, prefix=64, own=32, output=6, pause=0.05, cache_bytes=256 * 1024)

    outcome = await soak.run(bench, size)

    left = {target.name: target for target in outcome.targets}
    assert left["errors"].met
    assert left["requests or cache references left behind"].met
    (result,) = outcome.results
    assert result.figures["requests_finished"].median > 0
    assert result.figures["evictions"].median > 0


async def test_plan_compares_every_door_with_the_status_quo_and_the_causes_with_none(bench: Bench) -> None:
    size = plan.SmallRequestsSize(agents=2, requests=1, instruction=60, item=12)

    outcome = await plan.run(bench, size)

    sides = [plan.STATUS_QUO, plan.HTTP, plan.MCP, plan.CHANNEL, plan.ALONE, plan.ONE_MODEL, plan.CACHE, plan.BATCH]
    assert [result.side for result in outcome.results] == [*sides, plan.ALL]
    for side in sides:
        assert figure(outcome, side, "requests_per_s") > 0
        assert figure(outcome, side, "memory_bytes") > 20e6  # libraries count by the processes that share them
    for door in (plan.HTTP, plan.MCP, plan.CHANNEL):
        assert figure(outcome, door, "tokens_a_pass") >= 1
    assert [target.must for target in outcome.targets] == ["<= 0.4", ">= 3"] * 3
    assert outcome.notes[-1].startswith("No GPU took part: no execution provider for a GPU is installed")


async def test_transport_brings_the_same_answers_both_ways(bench: Bench) -> None:
    outcome = await transport.run(bench, transport.TransportSize(requests=2, streams=1, output=6))

    for side in (transport.HTTP, transport.CHANNEL):
        assert figure(outcome, side, "connect_s", transport.SHORT) > 0
        assert figure(outcome, side, "transport_p50_s", transport.SHORT) > 0
    assert [target.must for target in outcome.targets] == ["<= 0.25", "<= 0.5"]


def test_the_sides_take_turns_at_going_first() -> None:
    assert [in_turn(["a", "b"], number) for number in range(3)] == [["a", "b"], ["b", "a"], ["a", "b"]]


def test_a_load_that_was_not_told_in_every_round_is_no_figure() -> None:
    one = Round((Reply(first_token=1.0, total=1.0),), 1.0, 0.5, 1)
    told, untold = (plan.PlanRound(one, gpu_busy=busy) for busy in (0.25, None))

    assert plan.plan_figures([told, told])["gpu_busy_share"].rounds == (0.25, 0.25)
    assert "gpu_busy_share" not in plan.plan_figures([told, untold])
