"""llama.cpp's llama-server, which a user may name to be compared with, over HTTP.

Its endpoints: https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import psutil

from codex_windows_ai.bench.process import LONGEST_SECONDS, Children, memory_bytes
from codex_windows_ai.bench.sides.peers import Program
from codex_windows_ai.bench.sides.side import Prompt, Reply
from codex_windows_ai.errors import EngineError

PEER = "llama-server"
_START_SECONDS = 120.0
_POLL_SECONDS = 0.1
_OK = 200


class LlamaServer:
    """llama-server with a slot for each agent and its prompt cache on; everything else as it comes."""

    name = PEER

    def __init__(self, children: Children, program: Program, *, slots: int, slot_tokens: int) -> None:
        self._children = children
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port: int = free.getsockname()[1]
        arguments = {
            "--model": program.model,
            "--host": "127.0.0.1",
            "--port": port,
            "--parallel": slots,
            "--ctx-size": slots * slot_tokens,
            "--threads": psutil.cpu_count(logical=False) or os.cpu_count() or 1,
        }
        self.address = f"http://127.0.0.1:{port}"
        """Where it listens."""
        command = [str(program.path), *(str(part) for pair in arguments.items() for part in pair)]
        self._log = tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace")  # noqa: SIM115  # closed in `close`
        self._process = children.start(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=self._log)
        self._client = httpx2.AsyncClient(
            base_url=self.address,
            timeout=LONGEST_SECONDS,
            trust_env=False,  # the environment's proxies are for other machines
            # It closes idle connections after a few seconds, maybe just when the next request is sent on one.
            limits=httpx2.Limits(max_keepalive_connections=0),
        )

    async def ask(self, agent: int, question: Prompt) -> Reply:
        """The answer; llama-server itself chooses the slot whose cache fits best."""
        body = {
            "prompt": list(question.tokens),
            "n_predict": question.max_output_tokens,
            "temperature": question.temperature,
            "cache_prompt": True,
            "ignore_eos": True,
            "return_tokens": True,
            "stream": True,
        }
        tokens: list[int] = []
        last: dict[str, Any] = {}
        first: float | None = None
        asked = time.perf_counter()
        try:
            async with self._client.stream("POST", "/completion", json=body) as response:
                if response.status_code != _OK:
                    raise EngineError(f"{PEER} refused a request: {(await response.aread()).decode(errors='replace')}")
                async for line in response.aiter_lines():
                    if not line.startswith("data: "):
                        continue
                    last = json.loads(line.removeprefix("data: "))
                    tokens += last.get("tokens", [])
                    if tokens and first is None:
                        first = time.perf_counter()
        except httpx2.HTTPError as error:
            raise EngineError(f"{PEER} broke off: {error}") from error
        total = time.perf_counter() - asked
        computed = last.get("timings", {}).get("prompt_n", len(question.tokens))
        return Reply(
            first_token=total if first is None else first - asked,
            total=total,
            tokens=tuple(tokens),
            input_tokens=len(question.tokens),
            cached_tokens=len(question.tokens) - computed,
            finish_reason="length",
        )

    def memory_bytes(self) -> int:
        """Physical memory of the process now."""
        return memory_bytes(self._process.pid)

    async def close(self) -> None:
        """Ends the process."""
        await self._client.aclose()
        self._children.end(self._process)
        self._log.close()

    async def wait_until_ready(self) -> None:
        """Waits for the model to be loaded. Raises EngineError: it did not start."""
        until = time.perf_counter() + _START_SECONDS
        while time.perf_counter() < until and self._process.poll() is None:
            try:
                if (await self._client.get("/health")).status_code == _OK:
                    return
            except httpx2.TransportError:
                pass  # it does not listen yet
            await asyncio.sleep(_POLL_SECONDS)
        self._log.seek(0)
        said = self._log.read().strip().splitlines()
        raise EngineError(f"{PEER} did not start: {said[-1] if said else 'it said nothing'}")


@asynccontextmanager
async def llama_server(
    children: Children, program: Program, *, slots: int, slot_tokens: int
) -> AsyncGenerator[LlamaServer]:
    """The server, with its model loaded. Raises EngineError: it did not start."""
    server = LlamaServer(children, program, slots=slots, slot_tokens=slot_tokens)
    try:
        await server.wait_until_ready()
        yield server
    finally:
        await server.close()
