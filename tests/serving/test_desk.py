"""The desk: what endpoints ask, how it is counted, and how it ends."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from codex_windows_ai.errors import InvalidRequestError, ModelNotFoundError
from codex_windows_ai.host.host import Host
from codex_windows_ai.protocol.answer import Delta
from codex_windows_ai.protocol.request import GenerationRequest, Grammar, Message
from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.settings import Settings

pytestmark = pytest.mark.anyio

ENDLESS = Grammar("regex", "[ab]{150}")


def asking(grammar: Grammar | None = None, **fields: object) -> GenerationRequest:
    return GenerationRequest(messages=(Message("user", "hello"),), grammar=grammar, agent="me", **fields)  # type: ignore[arg-type]


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Host]:
    host = Host(settings)
    yield host
    await host.close()


def counted(host: Host, error: str) -> bool:
    """Whether /metrics tells of a request that ended so."""
    content = host.metrics.encode("text/plain")[0].decode()
    return f'gen_ai_server_request_duration_seconds_count{{error_type="{error}"' in content


async def test_an_answer_comes_behind_an_empty_delta_and_says_who_gives_it(tiny_settings: Settings) -> None:
    sources: list[AnswerSource] = []
    async with opened(tiny_settings) as host:
        assert not host.desk.ready
        deltas = [
            delta
            async for delta in host.desk.generate(
                asking(max_output_tokens=4, model="tiny"), operation="chat", on_source=sources.append
            )
        ]
        assert host.desk.ready
        assert deltas[0] == Delta()
        assert deltas[-1].usage is not None and deltas[-1].usage.output_tokens == 4
        assert [source.model for source in sources] == ["tiny"]
        assert host.metrics.answered[0] == 1
        assert counted(host, "")


async def test_closing_an_answer_cancels_it(tiny_settings: Settings) -> None:
    async with opened(tiny_settings) as host:
        deltas = host.desk.generate(
            asking(ENDLESS, max_output_tokens=150), operation="chat", on_source=lambda source: None
        )
        assert await anext(deltas) == Delta()
        await deltas.aclose()

        assert counted(host, "cancelled")
        assert host.metrics.answered[0] == 0
        assert host.desk.cancel("me") == 0


async def test_what_an_agent_cancels_ends_with_its_figures(tiny_settings: Settings) -> None:
    async with opened(tiny_settings) as host:
        deltas = host.desk.generate(
            asking(ENDLESS, max_output_tokens=150), operation="chat", on_source=lambda source: None
        )
        await anext(deltas)
        assert host.desk.cancel("somebody else") == 0
        assert host.desk.cancel("me") == 1
        last = [delta async for delta in deltas][-1]

        assert last.finish_reason == "cancelled"
        assert last.usage is not None
        assert host.metrics.answered[0] == 1


async def test_a_request_that_is_refused_counts_by_its_error_whichever_way_it_came(tiny_settings: Settings) -> None:
    async with opened(tiny_settings) as host:
        with pytest.raises(InvalidRequestError):
            async with host.desk.submit(asking(max_output_tokens=0), operation="generate"):
                raise AssertionError("it was accepted")
        assert counted(host, InvalidRequestError.code)


async def test_the_models_are_described_and_others_are_refused(tiny_settings: Settings) -> None:
    async with opened(tiny_settings) as host:
        assert host.desk.served() == ()
        (model,) = await host.desk.models()
        assert (model.name, model.owner, model.can_use_tools) == ("tiny", "codex-windows-ai", False)
        assert model.source is not None and model.source.provider == "engine"
        assert await host.desk.model("tiny") == model
        assert host.desk.served() == ("tiny",)
        with pytest.raises(ModelNotFoundError, match="`other`"):
            await host.desk.model("other")
        with pytest.raises(ModelNotFoundError):
            await anext(host.desk.generate(asking(model="other"), operation="chat", on_source=lambda source: None))
