"""Who is served next: fairness between agents by the tokens they were served.

Each agent has a counter of tokens served; the waiting agent with the smallest goes next. An agent
that was away comes back level with the least served one, so absence earns no credit; but with what it
had itself while the least served one got nothing since, or two agents that take turns would starve a
third. This is the Virtual Token Counter (Sheng et al., "Fairness in Serving Large Language Models",
OSDI 2024). It bounds any agent's lag as deficit round robin does, without quanta that must fit chunk
sizes.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar


class AgentsWork(Protocol):
    """Work that belongs to an agent."""

    @property
    def agent(self) -> str:
        """Who asked for it."""
        ...

    @property
    def remaining(self) -> int:
        """Prompt tokens still to be read."""
        ...


Work = TypeVar("Work", bound=AgentsWork)


@dataclass(slots=True)
class _Account:
    """Tokens served to an agent, and to the least served one when it came."""

    served: float
    least_at_arrival: float


class TokenCounters:
    """Tokens served to each agent that has work, and to those that left lately."""

    def __init__(self) -> None:
        self._present: dict[str, _Account] = {}
        self._away: dict[str, _Account] = {}

    @property
    def present(self) -> set[str]:
        """The agents that have work."""
        return set(self._present)

    @property
    def remembered(self) -> set[str]:
        """The agents that have none and would not come back level."""
        return set(self._away)

    def arrive(self, agent: str) -> None:
        """The agent has work now."""
        if agent not in self._present:
            self._forget()
            least = self._least(default=0.0)
            away = self._away.pop(agent, None)
            self._present[agent] = _Account(away.served if away else least, least)

    def leave(self, agent: str) -> None:
        """The agent has no work any more."""
        if agent in self._present:
            self._away[agent] = self._present.pop(agent)
        self._forget()

    def charge(self, agent: str, tokens: float) -> None:
        """The agent was served so many tokens."""
        if agent in self._present:
            self._present[agent].served += tokens

    def served(self, agent: str) -> float:
        """The agent's counter."""
        return self._present[agent].served if agent in self._present else 0.0

    def _least(self, default: float) -> float:
        return min((account.served for account in self._present.values()), default=default)

    def _forget(self) -> None:
        """Forgets who was served no more than the least served one is now, or before that one was served again."""
        least = self._least(default=math.inf)
        self._away = {
            agent: account
            for agent, account in self._away.items()
            if account.served > least and account.least_at_arrival >= least
        }

    def choose(self, candidates: Iterable[Work]) -> Work | None:
        """The candidate whose agent was served least; of equals the one with the least to do, then the first."""
        return min(candidates, key=lambda work: (self.served(work.agent), work.remaining), default=None)


class WaitingQueue(Iterable[Work]):
    """Requests that have no slot yet: a bounded queue, in order of arrival within each agent."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._agents: dict[str, deque[Work]] = {}
        self._size = 0  # counted apart, as other threads ask for it while the engine's changes the queues

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Work]:
        for queue in self._agents.values():
            yield from queue

    @property
    def full(self) -> bool:
        """Nothing more is taken."""
        return len(self) >= self.limit

    def append(self, work: Work) -> None:
        """Adds work at the end of its agent's queue."""
        self._agents.setdefault(work.agent, deque()).append(work)
        self._size += 1

    def remove(self, work: Work) -> None:
        """Takes work out, wherever it stands."""
        queue = self._agents[work.agent]
        queue.remove(work)
        self._size -= 1
        if not queue:
            del self._agents[work.agent]

    def heads(self) -> list[Work]:
        """The first of each agent's queue."""
        return [queue[0] for queue in self._agents.values()]

    def position(self, work: Work, counters: TokenCounters) -> int:
        """How many would be served before `work` if nothing else arrived; agents take turns.

        Work that is not in the queue yet counts as its agent's last. Any thread may ask.
        """
        own = list(self._agents.get(work.agent, ()))
        place = own.index(work) if work in own else len(own)
        before = place
        for agent, queue in list(self._agents.items()):
            if agent != work.agent:
                ahead = counters.served(agent) <= counters.served(work.agent)
                before += min(len(queue), place + ahead)
        return before
