"""`execute_with_windows_ai` with the real model."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from codex_windows_ai import SamplingParameters, execute_with_windows_ai
from codex_windows_ai.client import connect
from codex_windows_ai.errors import HostUnreachableError, InvalidRequestError
from codex_windows_ai.settings import Settings, load_settings
from tests.served import ServedHost

EXACT = SamplingParameters(seed=3)


@pytest.fixture
def settings(served_host: ServedHost, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings of a home in which a host runs."""
    monkeypatch.setenv("CODEX_WINDOWS_AI_HOME", str(served_host.home))
    return load_settings()


def test_a_prompt_is_answered_with_its_source_usage_and_timings(settings: Settings) -> None:
    prompt = "What is the capital of France? Answer in one sentence."

    answer = asyncio.run(execute_with_windows_ai(prompt, settings=settings))

    assert "Paris" in answer.text
    assert (answer.source.provider, answer.source.transport) == ("engine", "http")
    assert answer.finish_reason == "stop"
    assert answer.usage.output_tokens > 0
    assert answer.timings.total >= answer.timings.decode
    assert answer.load_ms > 0


def test_the_pieces_that_come_are_the_text(settings: Settings) -> None:
    pieces: list[str] = []

    answer = asyncio.run(
        execute_with_windows_ai("Count to ten.", settings=settings, max_output_tokens=12, on_text=pieces.append)
    )

    assert len(pieces) > 3
    assert "".join(pieces) == answer.text


def test_an_answer_that_is_cancelled_still_says_what_it_took(settings: Settings) -> None:
    async def ask() -> None:
        cancel = asyncio.Event()
        answer = await execute_with_windows_ai(
            "Write a very long story.",
            settings=settings,
            on_text=lambda text: cancel.set(),
            cancel=cancel,
        )
        assert answer.finish_reason == "cancelled"
        assert answer.text
        assert answer.usage.output_tokens > 0

    asyncio.run(ask())


@pytest.mark.parametrize("by_setting", [False, True])
def test_the_kernel_path_answers_the_same_over_a_channel(settings: Settings, by_setting: bool) -> None:
    over_http = asyncio.run(execute_with_windows_ai("Name a colour.", settings=settings, sampling=EXACT))
    settings = settings.model_copy(update={"kernel_accelerated": by_setting})

    answer = asyncio.run(execute_with_windows_ai("Name a colour.", not by_setting, settings=settings, sampling=EXACT))

    assert answer.text == over_http.text
    assert answer.source.transport == "channel"
    assert answer.source.brokered_by == "the host, over its Unix socket"
    assert over_http.source.brokered_by is None


def test_a_cancelled_answer_over_a_channel_still_says_what_it_took(settings: Settings) -> None:
    async def ask() -> None:
        cancel = asyncio.Event()
        answer = await execute_with_windows_ai(
            "Write a very long story.", True, settings=settings, on_text=lambda text: cancel.set(), cancel=cancel
        )
        assert answer.finish_reason == "cancelled"
        assert answer.usage.output_tokens > 0

    asyncio.run(ask())


def test_without_a_channel_the_kernel_path_is_an_error_and_no_detour(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connect, "channel_socket", lambda: Path("/nonexistent/channel.sock"))
    with pytest.raises(HostUnreachableError, match="No channel from the host"):
        asyncio.run(execute_with_windows_ai("hi", True, settings=settings))


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="empty"):
        asyncio.run(execute_with_windows_ai(" ", sampling=SamplingParameters(), settings=Settings()))
