"""App Actions, through PyWinRT and the double behind it."""

from __future__ import annotations

import asyncio
import ctypes
import gc
from collections.abc import Callable, Coroutine
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from winrt.runtime import ApartmentType, init_apartment

from codex_windows_ai.errors import WindowsAiError
from codex_windows_ai.protocol.request import GenerationRequest, Message, SamplingParameters
from codex_windows_ai.settings import Settings
from codex_windows_ai.windows_ai.action_entities import (
    ArrayEntity,
    CustomTextEntity,
    DateEntity,
    Entity,
    FileEntity,
    TableEntity,
    TextEntity,
    UriEntity,
)
from codex_windows_ai.windows_ai.action_provider import ActionProvider
from codex_windows_ai.windows_ai.app_actions import ActionResult, AppActions
from codex_windows_ai.windows_ai.runtime import WindowsAiRuntime
from tests.wine.programs.scenarios import describe, double, run, told
from tests.wine.windows import DOUBLES

library = ctypes.CDLL(str(DOUBLES / "Windows.AI.Actions.dll"))


def with_actions(use: Callable[[AppActions], Any]) -> Any:
    actions = AppActions()
    try:
        return use(actions)
    finally:
        actions.close()


def invoke(action: str, inputs: Any = "hello", **values: Any) -> ActionResult:
    return with_actions(lambda actions: asyncio.run(actions.invoke(action, inputs, **values)))


def attempt(use: Callable[[], Any]) -> Any:
    try:
        return use()
    except WindowsAiError as error:
        return describe(error)


def listed() -> list[dict[str, Any]]:
    return [asdict(action) for action in with_actions(lambda actions: actions.list())]


def listed_by_an_old_contract() -> list[bool]:
    with double(old_contract=1):
        return [action.available for action in with_actions(lambda actions: actions.list())]


def for_text() -> list[str]:
    return [action.id for action in with_actions(lambda actions: actions.list_for_text("hello"))]


def for_text_where_windows_cannot_say() -> list[str]:
    with double(no_inputs=1):
        return for_text()


def by_the_com_class() -> str:
    init_apartment(ApartmentType.MULTI_THREADED)
    assert library.serve_class() == 0
    with double(no_default=1):
        return invoke("Double.Echo").text


def catalog_error() -> Any:
    with double(catalog_error="0x80070005"):
        return listed()


def echo() -> dict[str, Any]:
    result = invoke("Double.Echo")
    return {"text": result.text, "names": list(result.outputs)}


def mirrored() -> dict[str, Any]:
    """Entities that come back as they went in."""
    file = Path(__file__).absolute()
    entities: dict[str, Entity] = {
        "Words": TextEntity("**hi**", markdown=True),
        "File": FileEntity(file),
        "Photo": FileEntity(file, "photo"),
        "Document": FileEntity(file, "document"),
        "Table": TableEntity((("a", "b"), ("c", "d"), ("e", "f"))),
        "Items": ArrayEntity((TextEntity("one"), TextEntity("two"))),
        "When": DateEntity(datetime(2026, 11, 22, 10, 30, tzinfo=UTC)),
        "Custom": CustomTextEntity("Order", "4711"),
    }
    found: dict[str, Any] = {}
    for name, entity in entities.items():
        result = invoke("Double.Mirror", {name: entity})
        found[name] = {"same": result.outputs == {name: entity}, "text": result.text}
    return found


def kinds_that_an_old_contract_lacks() -> Any:
    with double(old_contract=1):
        return {
            "markdown": attempt(lambda: invoke("Double.Mirror", {"Words": TextEntity("hi", markdown=True)}).text),
            "plain": attempt(lambda: invoke("Double.Echo").text),
            "table": attempt(lambda: invoke("Double.Mirror", {"Table": TableEntity((("a",),))}).text),
        }


def wrong_inputs() -> dict[str, Any]:
    return {
        "unknown action": attempt(lambda: invoke("Double.Nothing")),
        "unknown input": attempt(lambda: invoke("Double.Echo", {"Photo": FileEntity(Path(__file__), "photo")})),
        "overload": attempt(lambda: invoke("Double.Mirror", "hello", overload=1)),
        "missing file": attempt(lambda: invoke("Double.Mirror", {"File": FileEntity(Path("Z:/nothing"))})),
        "uneven table": attempt(lambda: invoke("Double.Mirror", {"Table": TableEntity((("a",), ("b", "c")))})),
        "empty array": attempt(lambda: invoke("Double.Mirror", {"Items": ArrayEntity()})),
        "address": attempt(lambda: invoke("Double.Mirror", {"Items": ArrayEntity((UriEntity("nowhere"),))})),
    }


def results() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for result in (1, 2, 3, 9):
        with double(result=result, extended_error="0x80070490"):
            found[str(result)] = attempt(lambda: invoke("Double.Echo").text)
    with double(invoke_error="0x80010108"):
        found["invoke"] = attempt(lambda: invoke("Double.Echo").text)
    return found


def streamed_text() -> dict[str, Any]:
    changes: list[tuple[str, bool]] = []
    result = invoke("Double.Stream", on_text=lambda text, complete: changes.append((text, complete)))
    return {"changes": changes, "text": result.text}


def streamed_before_anybody_listened() -> str:
    with double(streamed=1):
        return invoke("Double.Stream").text


def feedback() -> list[Any]:
    actions = AppActions()

    async def give(good: bool) -> int:
        result = await actions.invoke("Double.Echo", "hello")
        await result.feedback(good)
        return library.last_feedback()

    given: list[Any] = [asyncio.run(give(True)), asyncio.run(give(False))]
    with double(no_feedback=1):
        given.append(attempt(lambda: asyncio.run(give(True))))
    actions.close()
    return given


def cancelled() -> str:
    async def cancel(actions: AppActions) -> str:
        task = asyncio.create_task(actions.invoke("Double.Echo", "hello"))
        with double(endless=1):
            done, _ = await asyncio.wait({task}, timeout=0.3)
            assert not done
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                return "cancelled"
        return "went on"

    return with_actions(lambda actions: asyncio.run(cancel(actions)))


def provider(action: str = "Double.Echo", **values: Any) -> Any:
    answering = ActionProvider(action)
    try:
        request = GenerationRequest(messages=(Message("user", "hello"),), **values)
        return {"source": asdict(answering.source), **told(answering.stream(request))}
    finally:
        answering.close()


def provider_streams() -> Any:
    return provider("Double.Stream")


def provider_cannot_take_back() -> Any:
    with double(rewrite=1):
        return provider("Double.Stream")


def provider_refuses() -> dict[str, Any]:
    return {
        "sampling": attempt(lambda: provider(sampling=SamplingParameters(temperature=1.0))),
        "limit": attempt(lambda: provider(max_output_tokens=5)),
        "seed": attempt(lambda: provider(sampling=SamplingParameters(seed=1))),
        "unknown": attempt(lambda: provider("Double.Nothing")),
    }


def provider_expires() -> Any:
    with double(endless=1):
        return provider(deadline=0.2)


def run_runtime(use: Callable[[WindowsAiRuntime], Coroutine[Any, Any, Any]], provider: str) -> Any:
    async def open_and_use() -> Any:
        async with WindowsAiRuntime(Settings(provider=provider)) as runtime:
            return await use(runtime)

    return asyncio.run(open_and_use())


def runtime_answers_through_an_action() -> Any:
    async def ask(runtime: WindowsAiRuntime) -> Any:
        source = await runtime.open()
        answer = runtime.stream(GenerationRequest(messages=(Message("user", "hello"),)))
        return {"provider": source.provider, "text": "".join([delta.text async for delta in answer])}

    return run_runtime(ask, "action:Double.Echo")


def runtime_merges_actions() -> Any:
    async def ask(runtime: WindowsAiRuntime) -> Any:
        return {
            "listed": [(action.id, action.kind) for action in await runtime.list_actions()],
            "app": await runtime.invoke_action("hello", action="Double.Echo"),
            "generate": await runtime.invoke_action("hello"),
            "summarise": await runtime.invoke_action("hello", action="summarise"),
            "rewrite": await runtime.invoke_action("hello", action="rewrite"),
        }

    return run_runtime(ask, "language-model")


def runtime_without_actions() -> Any:
    async def ask(runtime: WindowsAiRuntime) -> Any:
        return [action.kind for action in await runtime.list_actions()]

    with double(catalog_error="0x80070005"):
        return run_runtime(ask, "language-model")


def objects_are_let_go() -> list[int]:
    counts: list[int] = []
    for _ in range(3):
        listed()
        invoke("Double.Echo")
        invoke("Double.Mirror", {"Items": ArrayEntity((TextEntity("one"), TextEntity("two")))})
        streamed_text()
        provider_streams()
        gc.collect()
        counts.append(library.live_objects())
    return counts


if __name__ == "__main__":
    run(
        listed,
        listed_by_an_old_contract,
        for_text,
        for_text_where_windows_cannot_say,
        by_the_com_class,
        catalog_error,
        echo,
        mirrored,
        kinds_that_an_old_contract_lacks,
        wrong_inputs,
        results,
        streamed_text,
        streamed_before_anybody_listened,
        feedback,
        cancelled,
        provider,
        provider_streams,
        provider_cannot_take_back,
        provider_refuses,
        provider_expires,
        runtime_answers_through_an_action,
        runtime_merges_actions,
        runtime_without_actions,
        objects_are_let_go,
    )
