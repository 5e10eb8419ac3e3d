"""The status quo: a process and a model of its own for each agent, nothing shared.

This is what a plain MCP tool with a local model does today: every Codex, editor or script starts its own copy. It is
given the best settings we know for it, see `SETTINGS`. Long conversations reach it as token ids through a pipe, small
requests as an agent would send them, through MCP.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import psutil
from mcp.client.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from codex_windows_ai.bench.bench import Bench, Round
from codex_windows_ai.bench.process import Worker, memory_bytes
from codex_windows_ai.bench.sides.side import OneEach, Prompt, Reply, SmallRequest, timed
from codex_windows_ai.errors import EngineError, NotAvailableError

MODULE = "codex_windows_ai.bench.workers.status_quo"
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


async def try_settings(
    bench: Bench, workload: str, trial: Callable[[str], Awaitable[Round]]
) -> tuple[str, dict[str, Round]]:
    """The fastest of `SETTINGS` in `trial`, and the trial of each."""
    trials: dict[str, Round] = {}
    for settings in SETTINGS:
        bench.progress(f"{workload}: trying the status quo with {settings}", 0, 0)
        trials[settings] = await trial(settings)
    return min(trials, key=lambda name: trials[name].seconds), trials


@asynccontextmanager
async def status_quo(bench: Bench, agents: int, settings: str = "defaults") -> AsyncGenerator[OneEach[Prompt]]:
    """A process for each agent, driven through a pipe; `settings` is a key of `SETTINGS`.

    Raises NotAvailableError: ONNX Runtime GenAI is not installed. EngineError: it cannot run the model.
    """
    require_genai()
    arguments = ("pipe", str(bench.folder.path), json.dumps(SETTINGS[settings]))
    name = f"status quo, {settings}"
    async with AsyncExitStack() as stack:
        workers = [stack.enter_context(Worker(name, bench.children, MODULE, *arguments)) for _ in range(agents)]
        for worker in workers:
            await worker.wait_until_ready()
        yield OneEach(name, workers)


class _McpServers:
    """MCP servers, one for each agent."""

    name = "status quo, MCP"

    def __init__(self, clients: Sequence[Client], servers: Sequence[psutil.Process]) -> None:
        self._clients = clients
        self._servers = servers

    async def ask(self, agent: int, question: SmallRequest) -> Reply:
        """The choice of the agent's own server."""
        return await timed(self._classify(self._clients[agent], question))

    def memory_bytes(self) -> int:
        """Physical memory of all servers now."""
        return sum(memory_bytes(server.pid) for server in self._servers)

    async def _classify(self, client: Client, question: SmallRequest) -> str:
        arguments = {
            "instruction": question.instruction,
            "item": question.item,
            "choices": list(question.choices),
        }
        return text_of(await client.call_tool("classify", arguments))


@asynccontextmanager
async def status_quo_over_mcp(bench: Bench, agents: int, settings: str) -> AsyncGenerator[_McpServers]:
    """An MCP server for each agent, each with a model of its own; `settings` is a key of `SETTINGS`."""
    arguments = ["-m", MODULE, "mcp", str(bench.folder.path), json.dumps(SETTINGS[settings])]
    before = {child.pid for child in psutil.Process().children()}
    async with AsyncExitStack() as stack:
        clients = [
            await stack.enter_async_context(
                Client(stdio_client(StdioServerParameters(command=sys.executable, args=arguments)))
            )
            for _ in range(agents)
        ]
        servers = [child for child in psutil.Process().children() if child.pid not in before]
        yield _McpServers(clients, servers)


def text_of(result: Any) -> str:
    """What an MCP tool said. Raises EngineError: it failed."""
    text = str(result.content[0].text)
    if result.is_error:
        raise EngineError(f"A measured tool failed: {text}")
    return text
