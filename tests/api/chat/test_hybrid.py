"""A host on a hybrid: agents that share a prefix, and a conversation that goes on."""

from __future__ import annotations

from pathlib import Path

import httpx2
from openai import OpenAI
from openai.types.chat import ChatCompletion, ChatCompletionMessageParam

from codex_windows_ai.settings import Settings
from tests.engine.tiny_hybrid import make_tiny_hybrid
from tests.host.live import PATIENCE, LiveHost
from tests.hosting import TOKEN

SYSTEM = "You are one of several agents that work on this machine, and all of you were told the same. " * 2


def answered(client: OpenAI, *messages: ChatCompletionMessageParam) -> ChatCompletion:
    told: list[ChatCompletionMessageParam] = [{"role": "system", "content": SYSTEM}, *messages]
    return client.chat.completions.create(model="hybrid", messages=told, max_tokens=16, temperature=0)


def cached(answer: ChatCompletion) -> int:
    assert answer.usage is not None and answer.usage.prompt_tokens_details is not None
    return answer.usage.prompt_tokens_details.cached_tokens or 0


def test_agents_with_one_prefix_and_conversations_read_what_is_new(tmp_path: Path) -> None:
    folder = make_tiny_hybrid(tmp_path)
    with (
        LiveHost(Settings(model=str(folder.path), threads=1), TOKEN) as live,
        OpenAI(base_url=f"{live.url}/v1", api_key=TOKEN, max_retries=0, timeout=PATIENCE) as client,
        httpx2.Client(base_url=live.url, headers={"authorization": f"Bearer {TOKEN}"}) as http,
    ):
        one = answered(client, {"role": "user", "content": "Who are you?"})
        other = answered(client, {"role": "user", "content": "Another question, of another agent."})
        again = answered(client, {"role": "user", "content": "Who are you?"})
        assert cached(one) == 0
        assert cached(other) >= len(SYSTEM) - 64  # a token a letter; up to the grid before the system part ends
        assert again.choices[0].message.content == one.choices[0].message.content
        assert again.usage is not None and cached(again) >= again.usage.prompt_tokens - 64

        status = http.get("/status").json()
        assert status["memory"]["checkpoints_bytes"] > 0
        assert any("no draft tokens" in remark for remark in status["remarks"])
        metrics = http.get("/metrics").text
        assert "checkpoint_bytes" in metrics
