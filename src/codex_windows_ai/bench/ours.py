"""Our side: one engine in one process for all agents."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from codex_windows_ai.bench.process import Children, Reply, Worker
from codex_windows_ai.models.folder import ModelFolder

MODULE = "codex_windows_ai.bench.engine_worker"


class Ours:
    """The engine; keyword arguments are fields of `EngineConfiguration`."""

    name = "ours"

    def __init__(self, children: Children, folder: ModelFolder, **configuration: Any) -> None:
        self.worker = Worker(children, MODULE, str(folder.path), json.dumps(configuration))
        try:
            self.worker.wait_until_ready()
        except BaseException:
            self.worker.close()
            raise

    def generate(self, agent: int, prompt: Sequence[int], max_output_tokens: int) -> Reply:
        """One greedy answer."""
        return self.worker.generate(prompt, max_output_tokens, agent=str(agent))

    def memory_bytes(self) -> int:
        """Physical memory of the process now."""
        return self.worker.memory_bytes()

    def close(self) -> None:
        """Ends the process."""
        self.worker.close()
