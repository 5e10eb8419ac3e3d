"""The workloads' names, apart from the workloads: `cwai bench --help` must stay light."""

from __future__ import annotations

from enum import StrEnum


class WorkloadName(StrEnum):
    """What can be measured; docs/benchmarks.md says what each does."""

    AGENTS = "agents"
    CURVE = "curve"
    EDIT = "edit"
    INTRUDER = "intruder"
    PLAN = "plan"
    SOAK = "soak"
    TRANSPORT = "transport"
    ALL = "all"
