"""Our own engine as the status quo would use it: a process and a model for each agent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from codex_windows_ai.bench.context import Bench
from codex_windows_ai.bench.ours import Ours
from codex_windows_ai.bench.process import Reply


class EachAlone:
    """An engine for each agent; keyword arguments are fields of `EngineConfiguration`."""

    name = "each alone"

    def __init__(self, bench: Bench, agents: int, **configuration: Any) -> None:
        self._engines: list[Ours] = []
        try:
            for _ in range(agents):
                self._engines.append(bench.ours(**configuration))
        except BaseException:
            self.close()
            raise

    def generate(self, agent: int, prompt: Sequence[int], max_output_tokens: int) -> Reply:
        """One greedy answer of the agent's own engine."""
        return self._engines[agent].generate(agent, prompt, max_output_tokens)

    def memory_bytes(self) -> int:
        """Physical memory of all processes now."""
        return sum(engine.memory_bytes() for engine in self._engines)

    def close(self) -> None:
        """Ends the processes."""
        for engine in self._engines:
            engine.close()
