"""What a host is busy with: its requests and their agents, and since when there are none."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Generator


class Activity:
    """Counts the requests to all endpoints of one host."""

    def __init__(self) -> None:
        self.requests = 0
        """Requests since the start, those that run included."""
        self.idle_since: float | None = time.monotonic()
        """Since when (`time.monotonic`) no request runs and no model loads; None while one does."""
        self._agents: Counter[str] = Counter()
        self._loading = 0

    @property
    def active_requests(self) -> int:
        """Requests that run now."""
        return self._agents.total()

    @property
    def active_agents(self) -> int:
        """Agents with a request that runs now."""
        return len(self._agents)

    @contextlib.contextmanager
    def serving(self, agent: str) -> Generator[None]:
        """While a request of `agent` runs."""
        self.requests += 1
        self._agents[agent] += 1
        self.idle_since = None
        try:
            yield
        finally:
            self._agents[agent] -= 1
            if not self._agents[agent]:
                del self._agents[agent]
            self._rest()

    @contextlib.contextmanager
    def loading(self) -> Generator[None]:
        """While a model loads: no request of anybody's, but no idleness either."""
        self._loading += 1
        self.idle_since = None
        try:
            yield
        finally:
            self._loading -= 1
            self._rest()

    def _rest(self) -> None:
        if not self._agents and not self._loading:
            self.idle_since = time.monotonic()
