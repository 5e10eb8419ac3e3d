"""The workloads by name: each module has a `NAME`, a size and `run`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from codex_windows_ai.bench.bench import Bench
from codex_windows_ai.bench.figures import Outcome
from codex_windows_ai.bench.report import Report, describe_machine, versions
from codex_windows_ai.bench.sides.peers import Peer
from codex_windows_ai.bench.sides.status_quo import require_genai
from codex_windows_ai.bench.workloads import agents, compare, edit, flood, intruder, plan, single, soak, transport
from codex_windows_ai.errors import InvalidRequestError

WORKLOADS: dict[str, Callable[[Bench], Coroutine[Any, Any, Outcome]]] = {
    agents.NAME: agents.run,
    agents.CURVE: agents.run_curve,
    **{workload.NAME: workload.run for workload in (compare, edit, flood, intruder, plan, single, soak, transport)},
}
ALL = "all"
"""The name that stands for every workload that can run here."""


def check_available(name: str) -> None:
    """Raises NotAvailableError: what a workload compares with is not installed."""
    if name in (agents.NAME, plan.NAME, ALL):
        require_genai()
    if name == transport.NAME:
        transport.check_available()


def check_peers(name: str, peers: Sequence[Peer]) -> None:
    """Raises InvalidRequestError: a workload asks no peers, or others than these."""
    if peers and name not in (agents.NAME, compare.NAME, ALL):
        raise InvalidRequestError(
            f"`bench {name}` compares with no peers.", hint="`--peer` is for `agents`, `compare` and `all`."
        )
    if name == compare.NAME:
        compare.check_peers(peers)
    elif name == agents.NAME and (len(peers) > 1 or any(peer.program is None for peer in peers)):
        raise InvalidRequestError(
            "`bench agents` asks with token ids and without end: it compares with one llama-server, which it starts.",
            hint="Write `--peer NAME=PATH`, or compare over HTTP with `cwai bench compare`.",
        )


async def run(name: str, bench: Bench, command: str) -> Report:
    """Runs what `name` stands for; `command` is what to type to do so again.

    Raises NotAvailableError: a baseline is not installed. EngineError: a request failed.
    """
    check_available(name)
    names = [name]
    if name == ALL:
        missing = {transport.NAME: sys.platform != "linux", compare.NAME: not bench.peers}
        names = [one for one in WORKLOADS if not missing.get(one)]
    machine = describe_machine()
    outcomes = tuple([await WORKLOADS[one](bench) for one in names])
    return Report(name, machine, bench.folder.name, versions(), command, outcomes)
