"""What Windows' content filter stops is an answer in Anthropic's API, whole and streamed, and no error."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator
from typing import Any

import anyio
import pytest

from codex_windows_ai.errors import ContentFilteredError
from codex_windows_ai.host.host import Host
from codex_windows_ai.protocol.answer import Delta
from codex_windows_ai.settings import Settings
from tests.hosting import TOKEN, OpenClient

BODY: dict[str, Any] = {"model": "tiny", "max_tokens": 5, "messages": [{"role": "user", "content": "Hi"}]}


async def filtered(*_: object, **__: object) -> AsyncGenerator[Delta]:
    yield Delta()
    yield Delta("I ")
    raise ContentFilteredError("Windows' content filter stepped in.")


@pytest.mark.parametrize("stream", [False, True])
def test_what_a_filter_stops_is_a_refusal(
    open_client: OpenClient, tiny_settings: Settings, monkeypatch: pytest.MonkeyPatch, stream: bool
) -> None:
    host = Host(tiny_settings, token=TOKEN)
    monkeypatch.setattr(host.desk, "generate", filtered)

    async def ask() -> str:
        async with open_client(host) as client:
            answer = await client.post("/v1/messages", json={**BODY, "stream": stream})
            assert answer.status_code == 200
            return answer.text

    text = anyio.run(ask)
    events = [json.loads(line.removeprefix("data: ")) for line in text.splitlines() if line.startswith("data: ")]
    message = events[-2]["delta"] if stream else json.loads(text)
    assert message["stop_reason"] == "refusal"
    assert "filter" in message["stop_details"]["explanation"]
