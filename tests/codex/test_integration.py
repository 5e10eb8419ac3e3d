"""`execute_with_windows_ai` with the real model."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from codex_windows_ai import SamplingParameters, execute_with_windows_ai
from codex_windows_ai.errors import InvalidRequestError, NotAvailableError
from codex_windows_ai.settings import Settings


def settings_for(model: Path) -> Settings:
    return Settings(model=str(model))


def test_a_prompt_is_answered_with_its_source_usage_and_timings(default_model: Path) -> None:
    prompt = "What is the capital of France? Answer in one sentence."

    answer = asyncio.run(execute_with_windows_ai(prompt, settings=settings_for(default_model)))

    assert "Paris" in answer.text
    assert (answer.source.provider, answer.source.transport) == ("engine", "in-process")
    assert answer.finish_reason == "stop"
    assert answer.usage.output_tokens > 0
    assert answer.timings.total >= answer.timings.decode
    assert answer.load_ms > 0


def test_the_pieces_that_come_are_the_text(default_model: Path) -> None:
    pieces: list[str] = []

    answer = asyncio.run(
        execute_with_windows_ai(
            "Count to ten.", settings=settings_for(default_model), max_output_tokens=12, on_text=pieces.append
        )
    )

    assert len(pieces) > 3
    assert "".join(pieces) == answer.text


def test_an_answer_that_is_cancelled_still_says_what_it_took(default_model: Path) -> None:
    async def ask() -> None:
        cancel = asyncio.Event()
        answer = await execute_with_windows_ai(
            "Write a very long story.",
            settings=settings_for(default_model),
            on_text=lambda text: cancel.set(),
            cancel=cancel,
        )
        assert answer.finish_reason == "cancelled"
        assert answer.text
        assert answer.usage.output_tokens > 0

    asyncio.run(ask())


@pytest.mark.parametrize("settings", [Settings(), Settings(kernel_accelerated=True)])
def test_the_kernel_path_is_not_there_yet(settings: Settings) -> None:
    with pytest.raises(NotAvailableError, match="kernel"):
        asyncio.run(execute_with_windows_ai("hi", use_kernel_driver=not settings.kernel_accelerated, settings=settings))


def test_an_empty_prompt_is_refused() -> None:
    with pytest.raises(InvalidRequestError, match="empty"):
        asyncio.run(execute_with_windows_ai(" ", sampling=SamplingParameters(), settings=Settings()))
