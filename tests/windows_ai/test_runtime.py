"""Who answers, and the reasons that travel with every refusal."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from codex_windows_ai.errors import (
    EngineError,
    NotAvailableError,
    ProviderNotAvailableError,
    UnsupportedRequestError,
    WindowsAiError,
)
from codex_windows_ai.protocol.request import GenerationRequest, Message
from codex_windows_ai.settings import Settings
from codex_windows_ai.windows_ai.runtime import WindowsAiRuntime

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="what other systems have")


def run(work: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(work)


async def open_runtime(**settings: Any) -> None:
    async with WindowsAiRuntime(Settings(**settings)) as runtime:
        await runtime.open()


def test_auto_is_the_engine_on_the_cpu_and_says_why_not_better(default_model: Path) -> None:
    async def ask() -> Any:
        async with WindowsAiRuntime(Settings(model=str(default_model))) as runtime:
            opened = await runtime.open()
            answer = runtime.stream(GenerationRequest(messages=(Message("user", "Hi"),), max_output_tokens=1))
            assert [delta async for delta in answer]
            return opened, answer.source

    opened, answered = run(ask())

    assert opened == answered
    refused = dict(answered.refused)
    assert list(refused) == ["language-model", "engine:gpu", "engine:npu"]
    assert refused["language-model"] == "Windows' own language model needs Windows."
    assert "no execution provider for a GPU" in refused["engine:gpu"]


def test_a_provider_that_was_asked_for_refuses_nobody(default_model: Path) -> None:
    async def ask() -> Any:
        async with WindowsAiRuntime(Settings(model=str(default_model), provider="engine:cpu")) as runtime:
            return await runtime.open()

    assert run(ask()).refused == ()


def test_a_request_may_name_its_provider(default_model: Path) -> None:
    async def ask(provider: str) -> Any:
        async with WindowsAiRuntime(Settings(model=str(default_model))) as runtime:
            await runtime.open()
            request = GenerationRequest(messages=(Message("user", "Hi"),), max_output_tokens=1, provider=provider)
            answer = runtime.stream(request)
            assert [delta async for delta in answer]
            return answer.source

    assert run(ask("engine")).refused == run(ask("engine:cpu")).refused == ()
    assert len(run(ask("auto")).refused) == 3
    with pytest.raises(ProviderNotAvailableError, match="`action:A` is not open here; open are: engine:cpu") as caught:
        run(ask("action:A"))
    assert caught.value.exit_code == 4
    with pytest.raises(ProviderNotAvailableError, match="It was refused: no execution provider for a GPU is installed"):
        run(ask("engine:gpu"))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"provider": "language-model"}, "needs Windows"),
        ({"provider": "action:Some.Action"}, "App Actions need Windows"),
        ({"provider": "engine:gpu"}, "no execution provider for a GPU"),
        ({"provider": "engine:npu"}, "no execution provider for an NPU"),
        ({"provider": "engine:cpu", "require_device": "npu"}, "it runs on the CPU, and the device `npu` is required"),
        ({"require_device": "gpu"}, r"engine:gpu \(no execution provider for a GPU"),
    ],
)
def test_what_cannot_answer_here_fails_with_the_reason(settings: dict[str, str], message: str) -> None:
    with pytest.raises(NotAvailableError, match=message) as caught:
        run(open_runtime(**settings))

    assert caught.value.exit_code == 4


def test_the_cpu_can_be_required(default_model: Path) -> None:
    run(open_runtime(model=str(default_model), require_device="cpu"))


def test_elsewhere_than_on_windows_only_built_in_actions_are_listed() -> None:
    async def actions() -> list[str]:
        return [action.kind for action in await WindowsAiRuntime(Settings()).list_actions()]

    assert run(actions()) == ["built-in"] * 3


@pytest.mark.parametrize(
    ("values", "error"),
    [({}, NotAvailableError), ({"system": "Be short."}, UnsupportedRequestError)],
)
def test_an_apps_action_needs_windows_and_takes_a_text_only(
    values: dict[str, Any], error: type[WindowsAiError]
) -> None:
    with pytest.raises(error):
        run(WindowsAiRuntime(Settings()).invoke_action("hi", action="Some.Action", **values))


def test_a_runtime_that_is_not_open_says_so() -> None:
    runtime = WindowsAiRuntime(Settings())

    for use in (lambda: runtime.source, lambda: runtime.model_folder, runtime.statistics):
        with pytest.raises(EngineError, match="not open"):
            use()


def test_there_is_no_gpu_path_here() -> None:
    assert WindowsAiRuntime(Settings()).get_optimized_gpu_path() is None
