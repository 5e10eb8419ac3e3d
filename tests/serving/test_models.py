"""The registry of a host's models: by name, on demand, in the background."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from codex_windows_ai.errors import EngineClosedError, EngineError, ModelNotFoundError
from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.serving.activity import Activity
from codex_windows_ai.serving.models import ModelRegistry
from codex_windows_ai.settings import Settings
from codex_windows_ai.windows_ai.runtime import WindowsAiRuntime

pytestmark = pytest.mark.anyio


class Gate:
    """Makes runtimes that open once they may, or fail."""

    def __init__(self) -> None:
        self.may_open = asyncio.Event()
        self.fails: Exception | None = None
        self.made = 0

    def __call__(self, settings: Settings, **options: Any) -> WindowsAiRuntime:
        gate = self
        gate.made += 1

        class GatedRuntime(WindowsAiRuntime):
            async def open(self) -> AnswerSource:
                await gate.may_open.wait()
                if gate.fails:
                    raise gate.fails
                return await super().open()

        return GatedRuntime(settings, **options)


async def test_a_model_is_loaded_once_for_all_who_ask_and_by_each_of_its_names(tiny_settings: Settings) -> None:
    gate, heard, activity = Gate(), list[AnswerSource](), Activity()
    registry = ModelRegistry(tiny_settings, activity, on_loaded=heard.append, make_runtime=gate)
    waiting = [asyncio.create_task(registry.runtime(name)) for name in (None, "tiny", None)]
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert (registry.loaded(), registry.served(), registry.engines()) == (None, (), ())
    assert registry.loading() == ("starting", 0, 0)
    assert activity.idle_since is None
    gate.may_open.set()
    first, *others = await asyncio.gather(*waiting)

    assert gate.made == 1
    assert all(other is first for other in others)
    assert registry.loaded() is registry.loaded("tiny") is first
    assert (registry.loading(), registry.served(), registry.default) == (None, ("tiny",), tiny_settings.model)
    assert heard == [first.source]
    assert activity.idle_since is not None
    assert [source for source, _ in registry.engines()] == [first.source]
    await registry.close()
    assert registry.loaded() is None


async def test_a_model_that_is_not_here_is_refused_by_name_once_it_is_known_what_is(tiny_settings: Settings) -> None:
    registry = ModelRegistry(tiny_settings, Activity())
    with pytest.raises(ModelNotFoundError, match="serves `tiny`, not `other`"):
        await registry.runtime("other")

    assert registry.loaded("other") is registry.statistics("other") is None
    assert registry.statistics("tiny") is not None
    await registry.close()


async def test_a_failure_is_kept_until_the_next_request_tries_again(tiny_settings: Settings) -> None:
    gate = Gate()
    gate.may_open.set()
    gate.fails = LookupError("broken")
    registry = ModelRegistry(tiny_settings, Activity(), make_runtime=gate)
    with pytest.raises(EngineError, match="broken"):
        await registry.runtime()
    assert isinstance(registry.failure(), EngineError)
    assert registry.loaded() is None
    gate.fails = None

    assert await registry.runtime() is registry.loaded()
    assert (registry.failure(), gate.made) == (None, 2)
    await registry.close()


async def test_who_waits_while_the_host_ends_hears_so(tiny_settings: Settings) -> None:
    activity = Activity()
    registry = ModelRegistry(tiny_settings, activity, make_runtime=Gate())
    waiting = asyncio.create_task(registry.runtime())
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    await registry.close()

    with pytest.raises(EngineClosedError):
        await waiting
    assert registry.abandoned
    assert activity.idle_since is not None
