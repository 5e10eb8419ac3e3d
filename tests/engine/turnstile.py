"""An engine in its thread, whose forward passes a test lets through one by one; and what is asked of it."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from codex_windows_ai.engine.engine import Engine
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.protocol.answer import Delta
from codex_windows_ai.protocol.request import Grammar

PATIENCE = 30.0
ENDLESS = Grammar("regex", "[a-g]{600}")


class Turnstile:
    """Lets the engine's forward passes through one by one."""

    def __init__(self, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
        self._permits = threading.Semaphore(0)
        self._arrivals = threading.Semaphore(0)
        forward = engine.core.model.forward

        def wait_and_forward(*arguments: Any, **options: Any) -> Any:
            self._arrivals.release()
            assert self._permits.acquire(timeout=PATIENCE)
            return forward(*arguments, **options)

        monkeypatch.setattr(engine.core.model, "forward", wait_and_forward)

    def wait_for_arrival(self) -> None:
        """Until the engine stands before its next pass."""
        assert self._arrivals.acquire(timeout=PATIENCE)

    def let_through(self, passes: int) -> None:
        self._permits.release(passes)

    def open(self) -> None:
        self._permits.release(10**6)


def request(**values: Any) -> EngineRequest:
    return EngineRequest(**({"prompt": (1, 2, 3), "max_output_tokens": 8, "grammar": ENDLESS} | values))


def text_of(deltas: list[Delta]) -> str:
    return "".join(delta.text for delta in deltas)


def tokens_of(deltas: list[Delta]) -> list[int]:
    return [chosen.token_id for delta in deltas for chosen in delta.tokens]


def assert_at_rest(engine: Engine) -> None:
    """Nothing runs, waits or is held, once everything posted before was done."""
    list(engine.submit(request(max_output_tokens=1)))
    statistics = engine.statistics()
    assert (statistics.running, statistics.waiting, statistics.row_bytes) == (0, 0, 0)
    assert not any(block.references for block in engine.core.cache.blocks())
