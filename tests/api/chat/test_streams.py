"""Streams that wait."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from openai import OpenAI

from codex_windows_ai.api.shared import sse
from codex_windows_ai.settings import Settings
from codex_windows_ai.windows_ai.runtime import WindowsAiRuntime
from tests.engine.turnstile import Turnstile
from tests.host.live import PATIENCE, LiveHost
from tests.hosting import TOKEN

HELLO: list[Any] = [{"role": "user", "content": "hello"}]


def test_a_stream_begins_at_once_and_stays_alive_while_the_prompt_is_read(
    live_host: LiveHost, openai_client: OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 0.01)
    turnstile = Turnstile(live_host.engine, monkeypatch)
    stream = openai_client.chat.completions.create(model="tiny", messages=HELLO, max_tokens=4, stream=True)
    first, *beats = [next(stream) for _ in range(4)]
    turnstile.open()
    rest = list(stream)

    assert first.choices[0].delta.role == "assistant"
    for beat in beats:
        assert beat.id == first.id
        assert beat.choices[0].delta.model_dump(exclude_none=True) == {}
        assert beat.choices[0].finish_reason is None
    assert rest[-1].choices[0].finish_reason == "length"


def test_a_stream_begins_while_the_model_is_loaded(tiny_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    may_load = threading.Event()
    load = WindowsAiRuntime.open

    async def wait_and_load(runtime: WindowsAiRuntime) -> Any:
        await asyncio.to_thread(may_load.wait, PATIENCE)
        return await load(runtime)

    monkeypatch.setattr(WindowsAiRuntime, "open", wait_and_load)
    with LiveHost(tiny_settings, TOKEN) as live, OpenAI(base_url=f"{live.url}/v1", api_key=TOKEN) as client:
        stream = client.chat.completions.create(model="tiny", messages=HELLO, max_tokens=3, stream=True)
        first = next(stream)
        may_load.set()
        rest = list(stream)

    assert first.choices[0].delta.role == "assistant"
    assert first.system_fingerprint is None
    assert rest[-1].system_fingerprint
    assert rest[-1].choices[0].finish_reason == "length"
