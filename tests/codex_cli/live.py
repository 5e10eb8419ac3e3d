"""The product's host in a thread of the test's process, found by `cwai` as any other, with a record of its HTTP."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx2
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codex_windows_ai.codex.agent_tools import codex_tools
from codex_windows_ai.codex.client_profile import codex_profile
from codex_windows_ai.discovery import record as discovery
from codex_windows_ai.discovery.record import HostRecord
from codex_windows_ai.host.app import create_app
from codex_windows_ai.host.host import Host
from codex_windows_ai.serving.models import MakeRuntime
from codex_windows_ai.settings import Settings
from tests.codex_cli.scripted import Script, ScriptedRuntime
from tests.host.live import PATIENCE, LiveHost
from tests.served import make_home

TOKEN = "a-token-of-the-codex-tests"


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


class CodexHost(LiveHost):
    """A host whose model follows `script`, or that of `make_runtime`.

    `home` is what `CODEX_WINDOWS_AI_HOME` must be to find it.
    """

    def __init__(self, model: Path, home: Path, make_runtime: MakeRuntime | None = None) -> None:
        self.model, self.home = model, home
        self.script = Script()
        self.exchanges: list[Exchange] = []
        settings = Settings(model=str(model), codex_tools=True)

        def make_app(host: Host) -> ASGIApp:
            app = create_app(host, mcp_tools=codex_tools(settings), profiles=(codex_profile(settings),))
            return Recorder(app, self.exchanges)

        super().__init__(settings, TOKEN, make_app, make_runtime or partial(ScriptedRuntime, script=self.script))
        self._open = ExitStack()

    def begin(self, *answers: Any, otherwise: Any = "Done.") -> None:
        """Sets the script and forgets what was exchanged before."""
        self.script.begin(answers, otherwise=otherwise)
        self.exchanges.clear()

    @property
    def asked(self) -> list[Exchange]:
        """The requests for an answer."""
        return [exchange for exchange in self.exchanges if exchange.path == "/v1/responses"]

    def __enter__(self) -> Self:
        self._be_found()
        super().__enter__()
        headers = {"authorization": f"Bearer {TOKEN}"}  # answered once the model is loaded
        httpx2.get(f"{self.url}/v1/models", headers=headers, timeout=PATIENCE).raise_for_status()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        super().__exit__(kind, error, traceback)
        self._open.close()

    def _be_found(self) -> None:
        """What a host process does so that `cwai` finds it, and starts no other one."""
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("CODEX_WINDOWS_AI_HOME", str(self.home))
            self._open.enter_context(discovery.host_lock())
            token_file = self.home / "state" / "token"
            token_file.touch(0o600)
            token_file.write_text(TOKEN, encoding="utf-8")
            make_home(self.home, self.model)
            record = HostRecord(
                url=self.url,
                port=int(self.url.rpartition(":")[2]),
                token_file=str(token_file),
                pid=os.getpid(),
                process_start=discovery.process_start(os.getpid()) or "",
                version=version("codex-windows-ai"),
                default_model=str(self.model),
                provider="auto",
                require_device=None,
                models=(),
                on_demand=False,
            )
            discovery.write_record(record)
            found = discovery.read_record()
        assert found == record
