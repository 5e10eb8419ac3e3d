"""The text of `cwai top` for every state that a host can be in."""

from __future__ import annotations

from dataclasses import asdict
from io import StringIO
from typing import Any

from rich.console import Console

from codex_windows_ai.cli.top_view import top_view
from codex_windows_ai.hardware.figures import AdapterFigures, CpuFigures, MachineFigures, MemoryFigures

GPU = AdapterFigures("Arc A770", "Intel", "0000:03:00.0", "xe", "drm", 12.0, 16 * 10**9, 3 * 10**9)
UNKNOWN = AdapterFigures("Old card", "AMD", "0000:04:00.0", None, "drm")
MACHINE = MachineFigures([GPU, UNKNOWN], CpuFigures("Ryzen", 8, 16, 7.5), MemoryFigures(32 * 10**9, 20 * 10**9))


def figures(**fields: Any) -> dict[str, Any]:
    """What a host says that has just been started, but for `fields`."""
    nothing: dict[str, Any] = {
        "state": "loading",
        "stage": "converting",
        "done": 1,
        "total": 4,
        "models": [],
        "version": "1",
        "pid": 7,
        "uptime_seconds": 3700.0,
        "active_requests": 2,
        "answers": None,
        "tokens_per_second": 0.0,
        "rate_seconds": 5,
        "engine": None,
        "agents": [],
        "agents_seconds": 600.0,
        "devices": asdict(MACHINE),
        "host_memory_bytes": 10**8,
    }
    return nothing | fields


def lines(statistics: dict[str, Any], width: int = 100) -> list[str]:
    buffer = StringIO()
    Console(file=buffer, width=width, highlight=False).print(top_view(statistics, width))
    return [line.rstrip() for line in buffer.getvalue().splitlines()]


def test_a_host_that_loads_its_model_says_how_far_it_is() -> None:
    shown = lines(figures())

    assert shown[0] == "state  loading: converting 25 % (process 7, up 1 h 1 min)"
    assert shown[1] == "now    2 requests, 0.0 output tokens/s over 5 s"
    assert "no agent in the last 10 min" in shown


def test_a_host_that_could_not_load_it_says_why() -> None:
    shown = lines(figures(state="failed", error={"message": "No such model."}))

    assert shown[0] == "state  failed: No such model. (process 7, up 1 h 1 min)"


def test_without_an_engine_there_is_what_windows_own_language_model_tells() -> None:
    answers = {"provider": "language-model", "execution_provider": "Windows", "model": "phi-silica"}
    shown = lines(figures(answers=answers | {"device": "NPU", "refused": []}))

    assert "answers  phi-silica by language-model (Windows)" in shown
    assert not any(line.startswith(("batch", "cache", "preferred")) for line in shown)


def test_every_device_has_a_row_and_what_is_not_known_is_a_dash() -> None:
    shown = [line.split() for line in lines(figures())]

    assert ["Arc", "A770", "12", "%", "3.0", "GB", "16.0", "GB"] in shown
    assert ["Old", "card", "-", "-", "-"] in shown
    assert ["Ryzen", "8", "%", "12.0", "GB", "32.0", "GB"] in shown
