"""Windows' language model, through PyWinRT and the double behind it."""

from __future__ import annotations

import ctypes
import gc
import threading
from typing import Any

from codex_windows_ai.errors import WindowsAiError
from codex_windows_ai.protocol.request import GenerationRequest, Grammar, Message, SamplingParameters
from codex_windows_ai.windows_ai.language_model import LanguageModelProvider
from tests.wine.programs.scenarios import describe, double, run, told
from tests.wine.windows import DOUBLES

library = ctypes.CDLL(str(DOUBLES / "Microsoft.Windows.AI.Text.dll"))


def request(*contents: str, system: str | None = None, **values: Any) -> GenerationRequest:
    roles = ("user", "assistant")
    messages = [Message(roles[turn % 2], content) for turn, content in enumerate(contents)]
    if system:
        messages.insert(0, Message("system", system))
    return GenerationRequest(messages=tuple(messages), **values)


def ask(**values: Any) -> dict[str, Any]:
    provider = LanguageModelProvider()
    try:
        return told(provider.stream(request("What is the capital of France?", **values)))
    finally:
        provider.close()


def streams() -> dict[str, Any]:
    return ask(system="Be short.", sampling=SamplingParameters(temperature=0.5, top_p=0.25, top_k=7))


def greedy() -> dict[str, Any]:
    return ask()


def keeps_windows_own_top_k() -> dict[str, Any]:
    return ask(sampling=SamplingParameters(temperature=1.0))


def a_conversation_is_a_transcript() -> dict[str, Any]:
    provider = LanguageModelProvider()
    try:
        return told(provider.stream(request("Hello", "Hi.", "And now?")))
    finally:
        provider.close()


def structured() -> dict[str, Any]:
    schema = '{"type": "object", "properties": {"asked": {"type": "string"}}, "required": ["asked"]}'
    return ask(grammar=Grammar("json_schema", schema))


def summarises_and_rewrites() -> list[Any]:
    provider = LanguageModelProvider()
    try:
        return [told(provider.summarise("a text")), told(provider.rewrite("a text"))]
    finally:
        provider.close()


def a_text_too_long_to_summarise() -> Any:
    provider = LanguageModelProvider()
    try:
        with double(fits=4):
            return told(provider.summarise("a text"))
    finally:
        provider.close()


def too_long() -> Any:
    with double(fits=29):
        return ask()


def astral_characters_count_twice() -> Any:
    provider = LanguageModelProvider()
    try:
        with double(fits=3):
            return told(provider.stream(request("🙂🙂")))
    finally:
        provider.close()


def cancelled() -> dict[str, Any]:
    provider = LanguageModelProvider()
    try:
        with double(words=3):
            answer, deltas = provider.stream(request("Go on")), []
            for delta in answer:
                deltas.append(delta)
                if len(deltas) == 3:
                    answer.cancel()
        with double(endless=1):
            after = told(provider.stream(request("Go on", max_output_tokens=4)))
        return {**told(deltas), "next": after}
    finally:
        provider.close()


def limited() -> dict[str, Any]:
    with double(endless=1):
        return ask(max_output_tokens=6)


def stopped() -> dict[str, Any]:
    return ask(stop=("capital", "France"))


def expired() -> Any:
    with double(endless=1):
        return ask(deadline=0.2)


def queued() -> dict[str, Any]:
    provider = LanguageModelProvider()
    try:
        with double(endless=1):
            running = [provider.stream(request(str(number))) for number in range(8)]
            positions = [answer.queue_position for answer in running]
            try:
                provider.stream(request("one too many"))
            except WindowsAiError as error:
                refused = describe(error)
            for answer in running:
                answer.cancel()
            return {"positions": positions, "refused": refused, "ends": [told(a)["finish_reason"] for a in running]}
    finally:
        provider.close()


def closed_while_it_answers() -> Any:
    provider = LanguageModelProvider()
    with double(endless=1):
        answer = provider.stream(request("Go on"))
        next(answer)
        closing = threading.Thread(target=provider.close)
        closing.start()
        try:
            return list(answer)
        finally:
            closing.join()


def statuses() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for status in range(1, 11):
        with double(status=status, extended_error="0x80070057"):
            found[str(status)] = attempt()
    return found


def response_error() -> Any:
    with double(response_error="0x800706BA"):
        return ask()


def attempt(**values: Any) -> Any:
    try:
        return ask(**values)
    except WindowsAiError as error:
        return describe(error)


def open_errors() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for state in range(1, 8):
        with double(ready_state=state):
            found[f"state {state}"] = attempt()
    for code in ("0x80070005", "0x80004005", "0x80040154"):
        with double(ready_error=code):
            found[f"ready {code}"] = attempt()
        with double(create_error=code):
            found[f"create {code}"] = attempt()
    return found


def refused_though_limited_access_says_no() -> Any:
    with double(limited_access=0):
        return ask()


def fetch_fails() -> Any:
    with double(ready_state=1, fetch_error="0x80240438"):
        LanguageModelProvider(fetch=True)


def fetches() -> dict[str, Any]:
    reported: list[tuple[str, int, int]] = []
    with double(ready_state=1):
        provider = LanguageModelProvider(fetch=True, progress=lambda *step: reported.append(step))
        try:
            return {"reported": reported, **told(provider.stream(request("hello")))}
        finally:
            provider.close()


def objects_are_let_go() -> list[int]:
    counts: list[int] = []
    for _ in range(3):
        provider = LanguageModelProvider()
        told(provider.stream(request("hello", system="Be short.")))
        with double(endless=1):
            told(provider.stream(request("hello", max_output_tokens=4)))
        told(provider.summarise("a text"))
        provider.close()
        del provider
        gc.collect()
        counts.append(library.live_objects())
    return counts


if __name__ == "__main__":
    run(
        streams,
        greedy,
        keeps_windows_own_top_k,
        a_conversation_is_a_transcript,
        structured,
        summarises_and_rewrites,
        a_text_too_long_to_summarise,
        too_long,
        astral_characters_count_twice,
        cancelled,
        limited,
        stopped,
        expired,
        queued,
        closed_while_it_answers,
        statuses,
        response_error,
        open_errors,
        refused_though_limited_access_says_no,
        fetch_fails,
        objects_are_let_go,
        fetches,
    )
