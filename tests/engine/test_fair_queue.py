"""Fairness between agents, order within one."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codex_windows_ai.engine.fair_queue import TokenCounters, WaitingQueue


@dataclass(eq=False)
class Job:
    agent: str
    remaining: int = 1


def serve(counters: TokenCounters, jobs: list[Job], chunk: int) -> Job:
    """Serves one chunk of whoever is next."""
    job = counters.choose(jobs)
    assert job is not None
    tokens = min(chunk, job.remaining)
    counters.charge(job.agent, tokens)
    job.remaining -= tokens
    if not job.remaining:
        jobs.remove(job)
        if not any(other.agent == job.agent for other in jobs):
            counters.leave(job.agent)
    return job


@given(
    st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 3000)), min_size=2, max_size=12),
    st.sampled_from([1, 64, 128]),
)
def test_agents_with_work_are_never_served_unequally_by_more_than_one_chunk(
    work: list[tuple[str, int]], chunk: int
) -> None:
    counters = TokenCounters()
    jobs = [Job(agent, remaining) for agent, remaining in work]
    for job in jobs:
        counters.arrive(job.agent)
    while jobs:
        serve(counters, jobs, chunk)
        served = [counters.served(job.agent) for job in jobs]
        assert not jobs or max(served) - min(served) <= chunk


@given(st.integers(1, 500), st.integers(0, 50), st.sampled_from([32, 128]))
def test_huge_work_delays_another_agent_by_no_more_than_its_own_share(size: int, before: int, chunk: int) -> None:
    counters = TokenCounters()
    huge, small = Job("huge", 10**9), Job("small", size)
    jobs = [huge]
    counters.arrive("huge")
    for _ in range(before):
        serve(counters, jobs, chunk)
    counters.arrive("small")
    jobs.append(small)

    start = huge.remaining
    while small in jobs:
        serve(counters, jobs, chunk)

    assert start - huge.remaining <= size + chunk


def test_absence_earns_no_credit_and_clears_no_account() -> None:
    counters = TokenCounters()
    counters.arrive("worker")
    counters.charge("worker", 10_000)
    counters.arrive("newcomer")
    assert counters.served("newcomer") == 10_000

    counters.charge("newcomer", 50)
    counters.leave("newcomer")
    counters.arrive("newcomer")
    assert counters.served("newcomer") == 10_050

    counters.leave("newcomer")
    counters.charge("worker", 60)
    counters.arrive("newcomer")
    assert counters.served("newcomer") == 10_060


def test_two_agents_that_take_turns_do_not_starve_a_third() -> None:
    counters = TokenCounters()
    third = Job("third", 10**6)
    jobs = [third, Job("a", 30), Job("b", 30)]
    for job in jobs:
        counters.arrive(job.agent)
    counters.charge("third", 128)
    for _ in range(40):
        served = serve(counters, jobs, 30)
        if served is not third:  # it asks again while the other one waits
            counters.arrive(served.agent)
            jobs.append(Job(served.agent, 30))
    assert 10**6 - third.remaining >= 5 * 30


def test_who_comes_back_is_level_again_once_the_least_served_one_got_something() -> None:
    counters = TokenCounters()
    for agent in ("long", "short"):
        counters.arrive(agent)
    counters.charge("short", 28)
    counters.leave("short")
    counters.charge("long", 16)
    counters.arrive("short")
    assert counters.served("short") == 16


def test_who_left_is_remembered_only_while_somebody_stays_that_was_served_less() -> None:
    counters = TokenCounters()
    for agent in ("little", "much"):
        counters.arrive(agent)
    counters.charge("much", 100)
    counters.leave("much")
    counters.charge("little", 100)
    counters.arrive("other")
    counters.leave("other")
    assert counters.remembered == set()
    counters.charge("little", 50)
    counters.leave("little")
    assert (counters.present, counters.remembered) == (set(), set())


def test_an_agent_that_has_work_gains_nothing_by_asking_again() -> None:
    counters = TokenCounters()
    for agent in ("a", "b"):
        counters.arrive(agent)
    counters.charge("a", 500)
    counters.arrive("a")

    assert counters.served("a") == 500


def test_what_an_absent_agent_is_charged_is_forgotten() -> None:
    counters = TokenCounters()
    counters.charge("gone", 5)

    assert counters.served("gone") == 0


def test_of_agents_served_equally_the_least_to_do_goes_first_then_the_earliest() -> None:
    counters = TokenCounters()
    first, second, short = Job("a", 9), Job("b", 9), Job("c", 2)
    for job in (first, second, short):
        counters.arrive(job.agent)

    assert counters.choose([first, second, short]) is short
    assert counters.choose([first, second]) is first
    assert counters.choose([]) is None


def queue_of(*jobs: Job, limit: int = 100) -> WaitingQueue[Job]:
    queue: WaitingQueue[Job] = WaitingQueue(limit)
    for job in jobs:
        queue.append(job)
    return queue


@given(st.lists(st.sampled_from("abc"), max_size=20), st.data())
def test_within_an_agent_the_order_of_arrival_is_kept(agents: list[str], data: st.DataObject) -> None:
    jobs = [Job(agent) for agent in agents]
    queue = queue_of(*jobs)
    waiting = list(jobs)
    while waiting:
        heads = queue.heads()
        assert {id(job) for job in heads} == {
            id(next(job for job in waiting if job.agent == agent)) for agent in {job.agent for job in waiting}
        }
        gone = data.draw(st.sampled_from(waiting))  # served from the front or cancelled from anywhere
        queue.remove(gone)
        waiting.remove(gone)
        assert sorted(map(id, queue)) == sorted(map(id, waiting))
        assert len(queue) == len(waiting)
    assert queue.heads() == []


def test_the_queue_is_full_at_its_limit_and_not_before() -> None:
    job = Job("a")
    queue = queue_of(job, limit=2)
    assert not queue.full
    queue.append(Job("b"))
    assert queue.full
    queue.remove(job)
    assert not queue.full


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=15), st.data())
def test_the_position_is_how_many_are_served_before(agents: list[str], data: st.DataObject) -> None:
    jobs = [Job(agent) for agent in agents]
    queue, counters = queue_of(*jobs), TokenCounters()
    for n, agent in enumerate(dict.fromkeys(agents)):
        counters.arrive(agent)
        counters.charge(agent, n / 10)  # no two are equal, so there is one order
    wanted = data.draw(st.sampled_from(jobs))
    promised = queue.position(wanted, counters)

    before = 0
    while (served := counters.choose(queue.heads())) is not wanted:
        assert served is not None
        queue.remove(served)
        counters.charge(served.agent, 1)
        before += 1

    assert promised == before


def test_work_that_is_not_in_the_queue_yet_counts_as_its_agents_last() -> None:
    queue, counters = queue_of(Job("a"), Job("a"), Job("b")), TokenCounters()
    for agent in ("a", "b"):
        counters.arrive(agent)

    assert queue.position(Job("a"), counters) == 3


def test_removing_what_is_not_there_is_an_error() -> None:
    with pytest.raises((KeyError, ValueError)):
        queue_of(Job("a")).remove(Job("b"))
