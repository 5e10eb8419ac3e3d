"""A client of the stdio proxy, which runs in a thread of the test's process."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, Self

import pytest

from codex_windows_ai.client.mcp.exchange import HostAddress
from codex_windows_ai.client.mcp.proxy import StdioProxy
from tests.host.live import PATIENCE, LiveHost
from tests.hosting import TOKEN


class PipedClient:
    """A client that writes and reads JSON lines."""

    def __init__(self, find_host: Callable[[bool], HostAddress]) -> None:
        client_reads, proxy_writes = os.pipe()
        proxy_reads, client_writes = os.pipe()
        self._in: BinaryIO = os.fdopen(client_reads, "rb")
        self._out: BinaryIO = os.fdopen(client_writes, "wb")
        self._proxy_ends = [os.fdopen(proxy_reads, "rb"), os.fdopen(proxy_writes, "wb")]
        self.proxy = StdioProxy(find_host, *self._proxy_ends)
        self._thread = threading.Thread(target=self.proxy.run, name="proxy")

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        for end in (self._in, *self._proxy_ends):
            end.close()

    def close(self) -> None:
        """Closes the proxy's input, and waits until it has ended."""
        if not self._out.closed:
            self._out.close()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def stop_listening(self) -> None:
        """Closes the proxy's output, as a client does that has died."""
        self._in.close()

    def rest(self) -> list[dict[str, Any]]:
        """Closes the proxy's input, and gives all that it still says."""
        self.close()
        self._proxy_ends[1].close()
        return [json.loads(line) for line in self._in]

    def say(self, **message: Any) -> None:
        self.write(json.dumps({"jsonrpc": "2.0", **message}).encode())

    def write(self, line: bytes) -> None:
        self._out.write(line + b"\n")
        self._out.flush()

    def hear(self) -> dict[str, Any]:
        return json.loads(self._in.readline())

    def ask(self, request_id: int, method: str, **params: Any) -> dict[str, Any]:
        self.say(id=request_id, method=method, params=params)
        return self.hear()

    def shake_hands(self) -> dict[str, Any]:
        answer = self.ask(
            0,
            "initialize",
            protocolVersion="2025-06-18",
            capabilities={},
            clientInfo={"name": "test", "version": "1"},
        )
        self.say(method="notifications/initialized")
        return answer


@pytest.fixture
def piped(live_host: LiveHost) -> Iterator[PipedClient]:
    with PipedClient(lambda _: HostAddress(live_host.url, TOKEN)) as client:
        yield client
