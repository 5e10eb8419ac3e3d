"""Runs workloads by name and makes the report."""

from __future__ import annotations

import sys
from collections.abc import Callable

from codex_windows_ai.bench import agents, curve, edit, intruder, plan, soak, transport
from codex_windows_ai.bench.context import Bench
from codex_windows_ai.bench.machine import describe_machine, versions
from codex_windows_ai.bench.names import WorkloadName
from codex_windows_ai.bench.outcome import Outcome
from codex_windows_ai.bench.report import Report
from codex_windows_ai.bench.status_quo import require_genai

RUNS: dict[WorkloadName, Callable[[Bench], Outcome]] = {
    WorkloadName.AGENTS: agents.run,
    WorkloadName.CURVE: curve.run,
    WorkloadName.EDIT: edit.run,
    WorkloadName.INTRUDER: intruder.run,
    WorkloadName.PLAN: plan.run,
    WorkloadName.SOAK: soak.run,
    WorkloadName.TRANSPORT: transport.run,
}


def check_available(name: WorkloadName) -> None:
    """Raises NotAvailableError: what a workload compares with is not installed."""
    if name in (WorkloadName.AGENTS, WorkloadName.PLAN, WorkloadName.ALL):
        require_genai()
    if name is WorkloadName.TRANSPORT:
        transport.check_available()


def run(name: WorkloadName, bench: Bench, command: str) -> Report:
    """Runs what `name` stands for; `command` is what to type to do so again.

    Raises NotAvailableError: a baseline is not installed. EngineError: a request failed.
    """
    check_available(name)
    names = [name]
    if name is WorkloadName.ALL:
        names = [one for one in RUNS if one is not WorkloadName.TRANSPORT or sys.platform == "linux"]
    machine = describe_machine()
    outcomes = tuple(RUNS[one](bench) for one in names)
    return Report(name.value, machine, bench.folder.name, versions(), command, outcomes)
