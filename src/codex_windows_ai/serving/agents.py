"""What each agent has running, and what it got: the figures of the live view, for the agents of the last minutes."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

from codex_windows_ai.engine.generation import Generation
from codex_windows_ai.protocol.answer import Delta, Usage
from codex_windows_ai.protocol.request import GenerationRequest
from codex_windows_ai.windows_ai.answer import AnswerObserver, Piece

KEPT_SECONDS = 600.0
"""How long an agent is remembered after its last request."""

MOST_AGENTS = 50
"""How many agents are remembered that have nothing running."""

RATE_SECONDS = 5
"""Over how long tokens per second are averaged."""

_LONGEST_NAME = 20
_NAME_HEAD = 10
_NAME_TAIL = 6


@dataclass(frozen=True, slots=True)
class AgentFigures:
    """One agent: its requests now (`waiting`, `running`) and those that ended while it was remembered.

    Token counts are of ended requests, but `output_tokens` also of running ones. `idle_seconds` is 0 while one runs.
    """

    name: str
    waiting: int
    running: int
    finished: int
    failed: int
    cancelled: int
    input_tokens: int
    cached_tokens: int
    output_tokens: int
    tokens_per_second: float
    idle_seconds: float

    @property
    def busy(self) -> bool:
        """Whether it has a request that waits or runs."""
        return self.waiting + self.running > 0

    @property
    def cached_share(self) -> float | None:
        """Share of its prompt tokens that were not computed again; None before the first request ended."""
        return self.cached_tokens / self.input_tokens if self.input_tokens else None


class AgentRecorder:
    """Follows every answer of one host, whichever door it leaves by.

    Memory is bounded: by the answers that run, which the engine bounds, and MOST_AGENTS agents besides.
    `clock` is in seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        # Answers are read in several threads, and one that nobody reads any more ends wherever the garbage
        # collector runs, even in the midst of what follows here: whoever holds the lock takes what others posted.
        self._inbox: deque[Callable[[], None]] = deque()
        self._lock = threading.Lock()
        self._agents: dict[str, _Agent] = {}
        """The least recently active first."""
        self._rate = _Rate()

    def follow(self, request: GenerationRequest, generation: Generation) -> AnswerObserver:
        """What the answer to a request tells as it is read; see `Answer`."""
        followed = _Followed(request.agent, generation)
        self._post(partial(self._begin, followed, self._clock()))
        return lambda piece: self._post(partial(self._see, followed, piece, self._clock()))

    def figures(self) -> list[AgentFigures]:
        """The agents that are remembered: by name those with something to do, then the most recently active first."""
        with self._lock:
            self._take_inbox()
            now = self._clock()
            self._forget(now)
            found = [agent.figures(name, now) for name, agent in self._agents.items()]
        return sorted(found, key=lambda agent: (not agent.busy, agent.idle_seconds, agent.name))

    @property
    def held(self) -> int:
        """How many agents are kept now, those included that the next request or look forgets."""
        return len(self._agents)

    @property
    def tokens_per_second(self) -> float:
        """Output tokens of all agents, over the last RATE_SECONDS."""
        with self._lock:
            self._take_inbox()
            return self._rate.per_second(self._clock())

    def _post(self, action: Callable[[], None]) -> None:
        self._inbox.append(action)
        while self._inbox and self._lock.acquire(blocking=False):
            try:
                self._take_inbox()
            finally:
                self._lock.release()

    def _take_inbox(self) -> None:
        while self._inbox:
            self._inbox.popleft()()

    def _begin(self, followed: _Followed, now: float) -> None:
        agent = self._touch(followed.agent, now)
        agent.answers.append(followed)
        self._forget(now)

    def _see(self, followed: _Followed, piece: Piece, now: float) -> None:
        agent = self._agents.get(followed.agent)
        if agent is None:  # forgotten, and with it the answer, which had ended
            return
        tokens = agent.see(followed, piece)
        agent.rate.add(now, tokens)
        self._rate.add(now, tokens)
        if agent.end(followed, piece):
            self._touch(followed.agent, now)

    def _touch(self, name: str, now: float) -> _Agent:
        agent = self._agents[name] = self._agents.pop(name, None) or _Agent()
        agent.active_at = now
        return agent

    def _forget(self, now: float) -> None:
        resting = [name for name, agent in self._agents.items() if not agent.answers]
        surplus = len(resting) - MOST_AGENTS
        for place, name in enumerate(resting):
            if place < surplus or now - self._agents[name].active_at > KEPT_SECONDS:
                del self._agents[name]


def short_name(agent: str) -> str:
    """An agent's name as a person tells it from others: what it calls itself, cut in the middle, or its connection."""
    kind, _, detail = agent.partition(":")
    if kind == "process":
        return f"process {detail}"
    printable = "".join(character if character.isprintable() else "?" for character in detail or kind)
    if len(printable) <= _LONGEST_NAME:
        return printable
    return f"{printable[:_NAME_HEAD]}…{printable[-_NAME_TAIL:]}"


@dataclass(slots=True, eq=False)
class _Followed:
    """An answer of an agent; `output_tokens` were read of it."""

    agent: str
    generation: Generation
    output_tokens: int = 0


class _Rate:
    """How much there was in each of the last seconds."""

    def __init__(self) -> None:
        self._seconds: deque[tuple[int, int]] = deque(maxlen=RATE_SECONDS + 1)

    def add(self, now: float, amount: int) -> None:
        second, before = int(now), 0
        if self._seconds and self._seconds[-1][0] == second:
            before = self._seconds.pop()[1]
        self._seconds.append((second, before + amount))

    def per_second(self, now: float) -> float:
        return sum(amount for second, amount in self._seconds if int(now) - second < RATE_SECONDS) / RATE_SECONDS


@dataclass(slots=True, eq=False)
class _Agent:
    active_at: float = 0.0
    answers: list[_Followed] = field(default_factory=list[_Followed])
    rate: _Rate = field(default_factory=_Rate)
    finished: int = 0
    failed: int = 0
    cancelled: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0

    def see(self, followed: _Followed, piece: Piece) -> int:
        """Counts a piece's tokens; how many it added to the answer.

        An answer that was asked to end early still says what it took, so this may come after its end.
        """
        if not isinstance(piece, Delta):
            return 0
        tokens = len(piece.tokens)
        if isinstance(piece.usage, Usage):
            self.input_tokens += piece.usage.input_tokens
            self.cached_tokens += piece.usage.cached_tokens
            # Whoever does not say its tokens one by one says at the end how many there were.
            tokens = piece.usage.output_tokens - followed.output_tokens
        followed.output_tokens += tokens
        self.output_tokens += tokens
        return tokens

    def end(self, followed: _Followed, piece: Piece) -> bool:
        """Whether a piece ended an answer that had not ended before."""
        if (isinstance(piece, Delta) and piece.finish_reason is None) or followed not in self.answers:
            return False
        self.answers.remove(followed)
        if piece is None or (isinstance(piece, Delta) and piece.finish_reason == "cancelled"):
            self.cancelled += 1
        elif isinstance(piece, Delta):
            self.finished += 1
        else:
            self.failed += 1
        return True

    def figures(self, name: str, now: float) -> AgentFigures:
        waiting = sum(followed.generation.queue_position > 0 for followed in self.answers)
        return AgentFigures(
            name=short_name(name),
            waiting=waiting,
            running=len(self.answers) - waiting,
            finished=self.finished,
            failed=self.failed,
            cancelled=self.cancelled,
            input_tokens=self.input_tokens,
            cached_tokens=self.cached_tokens,
            output_tokens=self.output_tokens,
            tokens_per_second=self.rate.per_second(now),
            idle_seconds=0.0 if self.answers else now - self.active_at,
        )
