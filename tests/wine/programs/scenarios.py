"""Runs the scenarios of a program one after the other and prints what each gives."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from codex_windows_ai.errors import WindowsAiError
from codex_windows_ai.protocol.answer import Delta

Scenario = Callable[[], Any]


def run(*scenarios: Scenario) -> None:
    """Prints {name: result}; of an error of ours its class, code, message and hint, of any other its traceback."""
    results = {scenario.__name__: _result(scenario) for scenario in scenarios}
    print(json.dumps(results))
    sys.stdout.flush()


def _result(scenario: Scenario) -> Any:
    try:
        return scenario()
    except WindowsAiError as error:
        return describe(error)
    except Exception:
        return {"traceback": traceback.format_exc()}
    finally:
        gc.collect()


def describe(error: WindowsAiError) -> dict[str, Any]:
    return {"error": type(error).__name__, "code": error.code, "message": error.message, "hint": error.hint}


def told(deltas: Iterable[Delta]) -> dict[str, Any]:
    """What an answer said and how it ended."""
    deltas = list(deltas)
    last = deltas[-1]
    assert last.usage
    assert last.timings
    return {
        "pieces": [delta.text for delta in deltas if delta.text],
        "finish_reason": last.finish_reason,
        "estimated": last.usage.estimated,
        "output_tokens": last.usage.output_tokens,
        "total_ms": last.timings.total,
    }


@contextlib.contextmanager
def double(**settings: int | str) -> Iterator[None]:
    """Tells the doubles what to do."""
    names = {f"DOUBLE_{name.upper()}": str(value) for name, value in settings.items()}
    os.environ.update(names)
    try:
        yield
    finally:
        for name in names:
            del os.environ[name]
