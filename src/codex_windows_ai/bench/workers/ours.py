"""Our own programs as measured processes: the engine, which serves all agents through one pipe, or the host.

Run as `python -m codex_windows_ai.bench.workers.ours engine FOLDER CONFIGURATION`, where `CONFIGURATION` is JSON with
fields of `EngineConfiguration`, or as `... host HOME SETTINGS`: `HOME` is where its state is kept, apart from the
user's own host; `SETTINGS` is JSON with fields of `Settings`. What only one of the two needs is imported where that one
begins.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codex_windows_ai.bench.workers import Lines
from codex_windows_ai.errors import WindowsAiError
from codex_windows_ai.protocol.request import SamplingParameters

if TYPE_CHECKING:
    from codex_windows_ai.engine.engine import Engine
    from codex_windows_ai.engine.generation import Generation
    from codex_windows_ai.protocol.answer import Delta


def main() -> None:
    """Serve until standard input ends."""
    program, where, given = sys.argv[1:4]
    {"engine": serve_engine, "host": serve_host}[program](where, json.loads(given))


def serve_engine(folder: str, configuration: dict[str, Any]) -> None:
    """Generates what is asked through the pipe; nothing else here submits to the engine."""
    from codex_windows_ai.engine.configuration import EngineConfiguration
    from codex_windows_ai.engine.engine import Engine
    from codex_windows_ai.models.folder import read_model_folder

    lines = Lines()
    # Without end tokens every answer has exactly as many tokens as were asked for, as at the baseline.
    model = replace(read_model_folder(Path(folder)), eos_token_ids=())
    server = _EngineServer(Engine(model, EngineConfiguration(**configuration)), lines)
    lines.write({"ready": True})
    for message in lines.read():
        server.handle(message)


def serve_host(home: str, settings: dict[str, Any]) -> None:
    """Is the host as users run it; through the pipe it tells which thread its event loop has."""
    from codex_windows_ai.settings import ENVIRONMENT_PREFIX, Settings

    os.environ[f"{ENVIRONMENT_PREFIX}HOME"] = home
    from codex_windows_ai.host.process import ServeOptions, serve

    lines = Lines()
    loop_thread = threading.main_thread().native_id

    def answer() -> None:
        for message in lines.read():
            lines.write({"id": message["id"], "done": {"loop_thread": loop_thread}})

    threading.Thread(target=answer, daemon=True).start()
    chosen = Settings(**settings, port=0, idle_stop=0)
    serve(chosen, ServeOptions(), on_listening=lambda _: lines.write({"ready": True}))


class _EngineServer:
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
        from codex_windows_ai.engine.request import EngineRequest

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


if __name__ == "__main__":
    main()
