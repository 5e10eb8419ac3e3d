"""What the recorder keeps of agents and their answers, and how much."""

from __future__ import annotations

import gc

import pytest

from codex_windows_ai.engine.generation import Generation, Stream
from codex_windows_ai.errors import EngineError
from codex_windows_ai.protocol.answer import ChosenToken, Delta, Timings, Usage
from codex_windows_ai.protocol.request import GenerationRequest
from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.serving.agents import (
    KEPT_SECONDS,
    MOST_AGENTS,
    RATE_SECONDS,
    AgentFigures,
    AgentRecorder,
    short_name,
)
from codex_windows_ai.windows_ai.answer import Answer

SOURCE = AnswerSource("engine", "CPU", "CPUExecutionProvider", "tiny", "in-process")
TIMINGS = Timings(queue=0, prefill=1, decode=1, total=2)


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Asked:
    """A request of an agent, answered by hand; `place` is its place in the queue."""

    def __init__(self, recorder: AgentRecorder, agent: str) -> None:
        self.stream, self.place = Stream(), 0
        generation = Generation(self.stream, cancel=lambda: None, queue_position=lambda: self.place)
        request = GenerationRequest(agent=agent)
        self.answer: Answer | None = Answer(generation, SOURCE, recorder.follow(request, generation))

    def say(self, tokens: int) -> None:
        self.stream.put(Delta(text="x", tokens=tuple(ChosenToken(1) for _ in range(tokens))))
        self.read()

    def end(self, usage: Usage, *, tokens: int = 0, reason: str = "stop") -> None:
        chosen = tuple(ChosenToken(1) for _ in range(tokens))
        self.stream.put(Delta(tokens=chosen, finish_reason=reason, usage=usage, timings=TIMINGS))  # type: ignore[arg-type]
        self.read()

    def read(self) -> None:
        assert self.answer is not None
        next(self.answer)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def recorder(clock: Clock) -> AgentRecorder:
    return AgentRecorder(clock)


def only(recorder: AgentRecorder) -> AgentFigures:
    (figures,) = recorder.figures()
    return figures


def test_a_request_waits_then_runs_then_is_answered_with_its_tokens(recorder: AgentRecorder, clock: Clock) -> None:
    asked = Asked(recorder, "session-id:a")
    asked.place = 2
    assert (only(recorder).waiting, only(recorder).running) == (1, 0)
    asked.place = 0
    assert (only(recorder).waiting, only(recorder).running, only(recorder).cached_share) == (0, 1, None)
    asked.say(3)
    assert (only(recorder).output_tokens, only(recorder).input_tokens) == (3, 0)
    asked.end(Usage(input_tokens=40, cached_tokens=30, output_tokens=5), tokens=2)
    clock.now += 7

    figures = only(recorder)
    assert (figures.name, figures.waiting, figures.running, figures.finished) == ("a", 0, 0, 1)
    assert (figures.input_tokens, figures.cached_tokens, figures.output_tokens) == (40, 30, 5)
    assert (figures.cached_share, figures.idle_seconds) == (0.75, 7)


def test_an_answer_that_tells_its_tokens_at_the_end_only_is_counted_the_same(recorder: AgentRecorder) -> None:
    asked = Asked(recorder, "a")
    asked.say(0)
    asked.end(Usage(input_tokens=4, cached_tokens=0, output_tokens=9, estimated=True))

    assert only(recorder).output_tokens == 9


def test_a_request_that_fails_counts_as_failed(recorder: AgentRecorder) -> None:
    asked = Asked(recorder, "a")
    asked.stream.put(EngineError("It broke."))
    with pytest.raises(EngineError):
        asked.read()

    assert (only(recorder).failed, only(recorder).running) == (1, 0)


def test_a_reader_that_leaves_or_vanishes_cancels(recorder: AgentRecorder) -> None:
    left, dropped = Asked(recorder, "a"), Asked(recorder, "a")
    assert left.answer is not None
    left.answer.cancel()
    left.answer.cancel()
    dropped.answer = None
    gc.collect()

    assert (only(recorder).cancelled, only(recorder).running) == (2, 0)


def test_an_answer_that_was_cut_off_counts_once_and_still_says_what_it_took(recorder: AgentRecorder) -> None:
    asked = Asked(recorder, "a")
    assert asked.answer is not None
    asked.answer.cancel()
    asked.end(Usage(input_tokens=8, cached_tokens=0, output_tokens=1), reason="cancelled")

    assert (only(recorder).cancelled, only(recorder).finished, only(recorder).input_tokens) == (1, 0, 8)


def test_tokens_per_second_are_of_the_last_seconds(recorder: AgentRecorder, clock: Clock) -> None:
    first, second = Asked(recorder, "a"), Asked(recorder, "b")
    first.say(10)
    clock.now += 1
    second.say(5)

    assert [figures.tokens_per_second for figures in recorder.figures()] == [10 / RATE_SECONDS, 5 / RATE_SECONDS]
    assert recorder.tokens_per_second == 15 / RATE_SECONDS
    clock.now += RATE_SECONDS - 1
    assert recorder.tokens_per_second == 5 / RATE_SECONDS
    clock.now += 1
    assert recorder.tokens_per_second == 0


def test_those_at_work_come_first_by_name_then_the_most_recently_active(recorder: AgentRecorder, clock: Clock) -> None:
    resting = [Asked(recorder, name) for name in ("x", "z", "y")]
    busy = [Asked(recorder, name) for name in ("b", "a")]
    for asked in resting:
        clock.now += 1
        asked.end(Usage(1, 0, 1))

    assert [figures.name for figures in recorder.figures()] == ["a", "b", "y", "z", "x"]
    assert all(asked.answer for asked in busy)


def test_agents_are_forgotten_after_a_while_but_not_while_they_have_something_running(
    recorder: AgentRecorder, clock: Clock
) -> None:
    resting, busy = Asked(recorder, "resting"), Asked(recorder, "busy")
    resting.end(Usage(1, 0, 1))
    clock.now += KEPT_SECONDS
    assert len(recorder.figures()) == 2
    clock.now += 1
    assert [figures.name for figures in recorder.figures()] == ["busy"]
    busy.end(Usage(1, 0, 1))
    assert only(recorder).idle_seconds == 0


def test_only_so_many_resting_agents_are_kept(recorder: AgentRecorder, clock: Clock) -> None:
    busy = Asked(recorder, "busy")
    for number in range(5 * MOST_AGENTS):
        clock.now += 0.1
        Asked(recorder, f"agent {number}").end(Usage(1, 0, 1))
        assert recorder.held <= MOST_AGENTS + 2

    names = [figures.name for figures in recorder.figures()]
    assert names == ["busy", *(f"agent {number}" for number in range(5 * MOST_AGENTS - 1, 4 * MOST_AGENTS - 1, -1))]
    assert busy.answer is not None


@pytest.mark.parametrize(
    ("agent", "name"),
    [
        ("session-id:review", "review"),
        ("session-id:0199a4b2-7c3d-7e4f-8a1b-2c3d4e5f6071", "0199a4b2-7…5f6071"),
        ("session-id:cwai-0123456789abcdef0123456789abcdef", "cwai-01234…abcdef"),
        ("process:4242", "process 4242"),
        ("address:192.0.2.7", "192.0.2.7"),
        ("connection", "connection"),
        ("channel 3 of process 4242", "channel 3 …s 4242"),
        ("mcp", "mcp"),
        ("session-id:a\x1b[31mb", "a?[31mb"),
    ],
)
def test_a_short_name_tells_agents_apart_and_is_safe_to_print(agent: str, name: str) -> None:
    assert short_name(agent) == name
