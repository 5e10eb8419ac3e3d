"""How requests begin and end: while the model loads, when it fails."""

from __future__ import annotations

import asyncio
import json
import threading
from pathlib import Path
from typing import Any

import httpx2
import pytest

from codex_windows_ai.api.shared import sse
from codex_windows_ai.errors import ModelNotFoundError
from codex_windows_ai.host.host import Host
from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.settings import Settings
from codex_windows_ai.windows_ai.runtime import WindowsAiRuntime
from tests.host.live import PATIENCE, LiveHost
from tests.hosting import TOKEN, OpenClient

Event = dict[str, Any]
HEADERS = {"authorization": f"Bearer {TOKEN}"}


def events_of(text: str) -> list[Event]:
    return [json.loads(line[6:]) for line in text.splitlines() if line.startswith("data: ")]


def test_while_the_model_loads_a_stream_stays_alive_with_data(
    tiny_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 0.01)
    may_load = threading.Event()

    class LateRuntime(WindowsAiRuntime):
        async def open(self) -> AnswerSource:
            assert await asyncio.to_thread(may_load.wait, PATIENCE)
            return await super().open()

    received: list[Event] = []
    body = {"model": "tiny", "input": "Hello", "stream": True, "max_output_tokens": 3}

    with (
        LiveHost(tiny_settings, TOKEN, make_runtime=LateRuntime) as live,
        httpx2.stream("POST", f"{live.url}/v1/responses", headers=HEADERS, json=body, timeout=PATIENCE) as answer,
    ):
        assert answer.status_code == 200
        for line in answer.iter_lines():
            received += events_of(line)
            if len(received) == 4:  # the two that begin every stream, and two heartbeats
                may_load.set()

    beats = [event for event in received[2:] if event["type"] == "response.in_progress"]
    assert len(beats) >= 2
    assert received[-1]["type"] == "response.incomplete"
    assert [event["sequence_number"] for event in received] == list(range(len(received)))


def test_a_model_that_cannot_be_loaded_ends_the_stream_with_the_reason(
    tiny_model_path: Path, open_client: OpenClient
) -> None:
    host = Host(Settings(model=str(tiny_model_path / "gone")), token=TOKEN)

    async def ask() -> tuple[httpx2.Response, httpx2.Response]:
        async with open_client(host) as client:
            body = {"model": "gone", "input": "Hello"}
            return (
                await client.post("/v1/responses", json={**body, "stream": True}),
                await client.post("/v1/responses", json=body),
            )

    streamed, whole = asyncio.run(ask())
    failed = events_of(streamed.text)[-1]
    assert failed["type"] == "response.failed"
    assert failed["response"]["error"]["code"] == ModelNotFoundError.code
    assert whole.status_code == 404
    assert whole.json()["error"]["code"] == ModelNotFoundError.code


def test_another_model_than_the_one_that_is_here_is_named_in_the_refusal(live_host: LiveHost) -> None:
    answer = httpx2.post(f"{live_host.url}/v1/responses", headers=HEADERS, json={"model": "gpt-5", "input": "Hello"})

    assert answer.status_code == 404
    assert "`tiny`" in answer.json()["error"]["message"]
