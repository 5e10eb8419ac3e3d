"""The product's host in a thread of the test's process, found by `cwai` as any other, with a record of its HTTP."""

from __future__ import annotations

import json
import os
import socket
import threading
from dataclasses import dataclass, field
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import uvicorn
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codex_windows_ai.codex.agent_tools import codex_tools
from codex_windows_ai.engine.engine import Engine
from codex_windows_ai.host import state
from codex_windows_ai.host.app import create_app
from codex_windows_ai.host.state import Host
from codex_windows_ai.settings import Settings
from tests.codex_cli.scripted import Script, ScriptedRuntime

TOKEN = "a-token-of-the-codex-tests"
PATIENCE = 60.0


@dataclass
class Exchange:
    """One request to the host and its answer."""

    path: str
    headers: dict[str, str]
    request: bytes = b""
    status: int = 0
    answer: bytes = b""

    @property
    def body(self) -> dict[str, Any]:
        return json.loads(self.request)

    @property
    def events(self) -> list[dict[str, Any]]:
        """The events of a streamed answer."""
        lines = self.answer.decode().splitlines()
        return [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: {")]

    @property
    def usage(self) -> dict[str, Any]:
        """The token counts that the answer ends with."""
        return self.events[-1]["response"]["usage"]


class Recorder:
    """ASGI middleware that keeps every HTTP exchange."""

    def __init__(self, app: ASGIApp, exchanges: list[Exchange]) -> None:
        self._app = app
        self._exchanges = exchanges

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        exchange = Exchange(scope["path"], headers)
        self._exchanges.append(exchange)

        async def receive_and_keep() -> Message:
            message = await receive()
            exchange.request += message.get("body", b"")
            return message

        async def send_and_keep(message: Message) -> None:
            exchange.status = message.get("status", exchange.status)
            exchange.answer += message.get("body", b"")
            await send(message)

        await self._app(scope, receive_and_keep, send_and_keep)


@dataclass
class CodexHost:
    """A host whose model follows `script`; `home` is what `CODEX_WINDOWS_AI_HOME` must be to find it."""

    model: Path
    home: Path
    script: Script = field(default_factory=Script)
    exchanges: list[Exchange] = field(default_factory=list)

    def __post_init__(self) -> None:
        settings = Settings(model=str(self.model), codex_tools=True)
        self.host = Host(settings, token=TOKEN)
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        app = Recorder(create_app(self.host, mcp_tools=codex_tools(settings)), self.exchanges)
        config = uvicorn.Config(app, log_level="warning", ws="none", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="codex-host")

    def begin(self, *answers: Any, otherwise: Any = "Done.") -> None:
        """Sets the script and forgets what was exchanged before."""
        self.script.begin(answers, otherwise=otherwise)
        self.exchanges.clear()

    @property
    def engine(self) -> Engine:
        """The engine behind it, once the model is loaded."""
        runtime = self.host.loaded
        assert runtime is not None
        engine = runtime._engine
        assert engine is not None
        return engine

    @property
    def asked(self) -> list[Exchange]:
        """The requests for an answer."""
        return [exchange for exchange in self.exchanges if exchange.path == "/v1/responses"]

    def __enter__(self) -> Self:
        self._original = state.WindowsAiRuntime
        state.WindowsAiRuntime = partial(ScriptedRuntime, script=self.script)  # type: ignore[assignment, misc]
        self._write_record()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        state.WindowsAiRuntime = self._original  # type: ignore[misc]
        self._server.should_exit = True
        self._thread.join(PATIENCE)
        self._socket.close()
        assert not self._thread.is_alive()

    def _write_record(self) -> None:
        """What a host process writes, so that `cwai` finds this one."""
        from codex_windows_ai.host.discovery import process_start

        folder = self.home / "state"
        folder.mkdir(parents=True)
        (folder / "token").write_text(TOKEN, encoding="utf-8")
        (self.home / "config").mkdir()
        settings = f"model = {json.dumps(str(self.model))}\n"
        (self.home / "config" / "settings.toml").write_text(settings, encoding="utf-8")
        record = {
            "schema_version": 1,
            "url": self.url,
            "port": self.port,
            "token_file": str(folder / "token"),
            "pid": os.getpid(),
            "process_start": process_start(os.getpid()),
            "version": version("codex-windows-ai"),
            "model": str(self.model),
            "provider": "auto",
            "models": [],
            "on_demand": False,
        }
        (folder / "host.json").write_text(json.dumps(record), encoding="utf-8")
