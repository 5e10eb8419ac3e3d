"""The workloads by name: each module has a `NAME`, a size and `run`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine
from typing import Any

from codex_windows_ai.bench.bench import Bench
from codex_windows_ai.bench.figures import Outcome
from codex_windows_ai.bench.report import Report, describe_machine, versions
from codex_windows_ai.bench.sides.status_quo import require_genai
from codex_windows_ai.bench.workloads import agents, edit, flood, intruder, plan, soak, transport

WORKLOADS: dict[str, Callable[[Bench], Coroutine[Any, Any, Outcome]]] = {
    agents.NAME: agents.run,
    agents.CURVE: agents.run_curve,
    **{workload.NAME: workload.run for workload in (edit, flood, intruder, plan, soak, transport)},
}
ALL = "all"
"""The name that stands for every workload that can run here."""


def check_available(name: str) -> None:
    """Raises NotAvailableError: what a workload compares with is not installed."""
    if name in (agents.NAME, plan.NAME, ALL):
        require_genai()
    if name == transport.NAME:
        transport.check_available()


async def run(name: str, bench: Bench, command: str) -> Report:
    """Runs what `name` stands for; `command` is what to type to do so again.

    Raises NotAvailableError: a baseline is not installed. EngineError: a request failed.
    """
    check_available(name)
    names = [name]
    if name == ALL:
        names = [one for one in WORKLOADS if one != transport.NAME or sys.platform == "linux"]
    machine = describe_machine()
    outcomes = tuple([await WORKLOADS[one](bench) for one in names])
    return Report(name, machine, bench.folder.name, versions(), command, outcomes)
