"""A host that listens on a port of this machine, in a thread of the test's process."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

import uvicorn
from starlette.types import ASGIApp

from codex_windows_ai.codex.client_profile import codex_profile
from codex_windows_ai.engine.engine import Engine
from codex_windows_ai.host.app import create_app
from codex_windows_ai.host.connections import Connection
from codex_windows_ai.host.host import Host
from codex_windows_ai.serving.models import MakeRuntime
from codex_windows_ai.settings import Settings
from codex_windows_ai.windows_ai.runtime import WindowsAiRuntime

PATIENCE = 60.0


class LiveHost:
    """The whole door behind a real socket; clients of any kind reach it at `url` with its token.

    Connections wait in the socket's backlog until the server accepts them, so nobody polls.
    """

    def __init__(
        self,
        settings: Settings,
        token: str,
        make_app: Callable[[Host], ASGIApp] | None = None,
        make_runtime: MakeRuntime = WindowsAiRuntime,
    ) -> None:
        self.host = Host(settings, token=token, make_runtime=make_runtime)
        app = make_app(self.host) if make_app else create_app(self.host, profiles=(codex_profile(settings),))
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        config = uvicorn.Config(app, http=Connection, log_level="warning", ws="none", timeout_graceful_shutdown=1)
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="live-host")

    @property
    def engine(self) -> Engine:
        """The engine behind it, once the model is loaded."""
        runtime = self.host.models.loaded()
        assert runtime is not None
        return runtime.engine

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.should_exit = True
        self._thread.join(PATIENCE)
        self._socket.close()
        assert not self._thread.is_alive()
