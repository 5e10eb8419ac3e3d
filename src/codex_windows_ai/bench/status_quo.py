"""The baseline: a process and a model of its own for each agent, nothing shared.

This is what a plain MCP tool with a local model does today: every Codex, editor or script starts
its own copy. It is given the best settings we know for it, see `SETTINGS`.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Sequence
from typing import Any

from codex_windows_ai.bench.process import Children, Reply, Worker
from codex_windows_ai.errors import NotAvailableError
from codex_windows_ai.models.folder import ModelFolder

MODULE = "codex_windows_ai.bench.status_quo_worker"
PACKAGE = "onnxruntime_genai"


def _session_options(**options: Any) -> dict[str, Any]:
    return {"model": {"decoder": {"session_options": options}}}


SETTINGS: dict[str, dict[str, Any]] = {
    "defaults": {},
    # As many threads as there are processes compete for few cores; waiting actively makes that worse.
    "one thread": _session_options(intra_op_num_threads=1, **{"session.intra_op.allow_spinning": "0"}),
}
"""What is laid over `genai_config.json`. Both are tried and the faster is the baseline."""


def require_genai() -> None:
    """Raises NotAvailableError: ONNX Runtime GenAI, which the baseline runs on, is not installed."""
    if importlib.util.find_spec(PACKAGE) is None:
        raise NotAvailableError(
            "The status quo that this is compared with runs on ONNX Runtime GenAI, which is not installed.",
            hint="Install it into the same environment: `python -m pip install onnxruntime-genai`.",
        )


class StatusQuo:
    """One process for each agent; `settings` is a key of `SETTINGS`.

    Raises NotAvailableError: ONNX Runtime GenAI is not installed. EngineError: it cannot run the model.
    """

    def __init__(self, children: Children, folder: ModelFolder, agents: int, settings: str = "defaults") -> None:
        require_genai()
        self.name = f"status quo, {settings}"
        overlay = json.dumps(SETTINGS[settings])
        self._workers = [Worker(children, MODULE, str(folder.path), overlay) for _ in range(agents)]
        try:
            for worker in self._workers:
                worker.wait_until_ready()
        except BaseException:
            self.close()
            raise

    def generate(self, agent: int, prompt: Sequence[int], max_output_tokens: int) -> Reply:
        """One greedy answer of the agent's own process."""
        return self._workers[agent].generate(prompt, max_output_tokens, agent=str(agent))

    def memory_bytes(self) -> int:
        """Physical memory of all processes now."""
        return sum(worker.memory_bytes() for worker in self._workers)

    def close(self) -> None:
        """Ends the processes."""
        for worker in self._workers:
            worker.close()
