"""The engine, as a process of its own that serves all agents through one pipe; the only file here that submits to it.

Run as `python -m codex_windows_ai.bench.workers.engine FOLDER CONFIGURATION`; `CONFIGURATION` is
JSON with fields of `EngineConfiguration`.
"""

from __future__ import annotations

import json
import sys
import threading
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from codex_windows_ai.bench.workers.lines import Lines
from codex_windows_ai.engine.configuration import EngineConfiguration
from codex_windows_ai.engine.engine import Engine
from codex_windows_ai.engine.generation import Generation
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.errors import WindowsAiError
from codex_windows_ai.models.folder import read_model_folder
from codex_windows_ai.protocol.answer import Delta
from codex_windows_ai.protocol.request import SamplingParameters


class Server:
    """Passes requests to the engine and its answers back, a thread each."""

    def __init__(self, engine: Engine, lines: Lines) -> None:
        self._engine = engine
        self._lines = lines
        self._running: dict[int, Generation] = {}

    def handle(self, message: dict[str, Any]) -> None:
        """Starts a request, cancels one, or answers with the engine's figures."""
        if "cancel" in message:
            if generation := self._running.get(message["cancel"]):
                generation.cancel()
        elif "statistics" in message:
            self._lines.write({"id": message["id"], "done": self._statistics()})
        else:
            self._start(message)

    def _start(self, message: dict[str, Any]) -> None:
        request = EngineRequest(
            prompt=tuple(message["prompt"]),
            max_output_tokens=message["max_output_tokens"],
            sampling=SamplingParameters(temperature=message["temperature"]),
            agent=message["agent"],
        )
        try:
            generation = self._running[message["id"]] = self._engine.submit(request)
        except WindowsAiError as error:
            self._lines.write({"id": message["id"], "error": error.message})
            return
        threading.Thread(target=self._answer, args=(message["id"], generation), daemon=True).start()

    def _answer(self, number: int, generation: Generation) -> None:
        tokens: list[int] = []
        last: Delta | None = None
        try:
            for delta in generation:
                if delta.tokens and not tokens:
                    self._lines.write({"id": number, "first": True})
                tokens += [token.token_id for token in delta.tokens]
                last = delta
        except WindowsAiError as error:
            self._lines.write({"id": number, "error": error.message})
        else:
            cached = last.usage.cached_tokens if last and last.usage else 0
            reason = last.finish_reason if last else None
            done = {"tokens": tokens, "cached_tokens": cached, "finish_reason": reason}
            self._lines.write({"id": number, "done": done})
        finally:
            del self._running[number]

    def _statistics(self) -> dict[str, Any]:
        """The engine's figures, and the references to cached blocks, which must be none when it is idle."""
        references = sum(block.references for block in self._engine.core.cache.blocks())
        return {**asdict(self._engine.statistics()), "references": references}


def main() -> None:
    """Serve until standard input ends."""
    lines = Lines()
    folder, configuration = sys.argv[1:3]
    # Without end tokens every answer has exactly as many tokens as were asked for, as at the baseline.
    model = replace(read_model_folder(Path(folder)), eos_token_ids=())
    server = Server(Engine(model, EngineConfiguration(**json.loads(configuration))), lines)
    lines.write({"ready": True})
    for message in lines.read():
        server.handle(message)


if __name__ == "__main__":
    main()
