"""The host's statistics as a person reads them in a terminal, as narrow as it may be."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from codex_windows_ai.cli.output import bytes_text

_Figures = dict[str, Any]
_UNKNOWN = "-"

# Columns of the agents' table: title, the terminal width from which it is shown, and the cell.
_AGENT_COLUMNS: tuple[tuple[str, int, Callable[[_Figures], str]], ...] = (
    ("running", 0, lambda agent: str(agent["requests"]["running"])),
    ("queued", 0, lambda agent: str(agent["requests"]["waiting"])),
    ("tokens/s", 0, lambda agent: f"{agent['tokens_per_second']:.1f}"),
    ("cached", 56, lambda agent: _share(agent["tokens"]["cached_share"])),
    ("answered", 66, lambda agent: str(agent["requests"]["finished"])),
    ("failed", 76, lambda agent: str(agent["requests"]["failed"])),
    ("prompt tokens", 104, lambda agent: f"{agent['tokens']['input']:,}"),
    ("output tokens", 104, lambda agent: f"{agent['tokens']['output']:,}"),
    ("idle", 86, lambda agent: _idle(agent)),
)


def top_view(statistics: _Figures, width: int) -> RenderableType:
    """Everything that `/statistics` says, for a terminal of that many columns.

    Names come from clients, so nothing here is read as markup.
    """
    return Group(
        _facts(_summary(statistics)),
        Text(),
        _agents(statistics, width),
        Text(),
        _devices(statistics),
        *_refused(statistics["answers"]),
    )


def _summary(statistics: _Figures) -> Iterable[tuple[str, str]]:
    answers, engine = statistics["answers"], statistics["engine"]
    yield "state", _state(statistics)
    if answers:
        yield "answers", f"{answers['model']} by {answers['provider']} ({answers['execution_provider']})"
        yield "device", answers["device"]
    speed = f"{statistics['tokens_per_second']:.1f} output tokens/s over {statistics['rate_seconds']} s"
    if not engine:
        yield "now", f"{statistics['active_requests']} requests, {speed}"
        return
    requests, tokens, cache = engine["requests"], engine["tokens"], engine["prefix_cache"]
    batch = engine["batch_occupancy"]
    recent = _UNKNOWN if batch["recent"] is None else f"{batch['recent']:.1f}"
    yield "now", f"{requests['running']} running, {requests['waiting']} queued, {speed}"
    yield "batch", f"{recent} requests a pass, {batch['mean']:.1f} on average"
    yield (
        "cache",
        f"{bytes_text(cache['bytes'])} of {bytes_text(cache['budget_bytes'])}, "
        f"{_share(tokens['cached_share'])} of {tokens['input']:,} prompt tokens came from it",
    )
    yield (
        "requests",
        f"{requests['finished']} answered, {requests['failed']} failed, {requests['cancelled']} cancelled",
    )


def _state(statistics: _Figures) -> str:
    process = f"process {statistics['pid']}, up {_duration(statistics['uptime_seconds'])}"
    memory = bytes_text(statistics["host_memory_bytes"])
    if "error" in statistics:
        return f"{statistics['state']}: {statistics['error']['message']} ({process})"
    if "stage" in statistics:
        share = f" {_share(statistics['done'] / statistics['total'])}" if statistics["total"] else ""
        return f"{statistics['state']}: {statistics['stage']}{share} ({process})"
    return f"{statistics['state']}, {process}, {memory}"


def _facts(facts: Iterable[tuple[str, str]]) -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in facts:
        table.add_row(name, Text(value))
    return table


def _agents(statistics: _Figures, width: int) -> RenderableType:
    agents = statistics["agents"]
    if not agents:
        return Text(f"no agent in the last {_duration(statistics['agents_seconds'])}", style="dim")
    columns = [(title, cell) for title, least, cell in _AGENT_COLUMNS if width >= least]
    table = _table(("agent", *(title for title, _ in columns)))
    for agent in agents:
        busy = agent["requests"]["running"] + agent["requests"]["waiting"] > 0
        table.add_row(Text(agent["name"]), *(cell(agent) for _, cell in columns), style="bold" if busy else "")
    return table


def _devices(statistics: _Figures) -> Table:
    machine = statistics["devices"]
    cpu, memory = machine["cpu"], machine["memory"]
    table = _table(("device", "load", "memory used", "of"))
    for adapter in machine["adapters"]:
        used, total = adapter["memory_used_bytes"], adapter["memory_total_bytes"]
        table.add_row(Text(adapter["name"]), _percent(adapter["load_percent"]), _bytes(used), _bytes(total))
    total = memory["total_bytes"]
    used = total - memory["available_bytes"]
    table.add_row(Text(cpu["name"]), _percent(cpu["load_percent"]), _bytes(used), _bytes(total))
    return table


def _refused(answers: _Figures | None) -> list[RenderableType]:
    """Who would have been preferred, and why nobody of them answers."""
    if not answers or not answers["refused"]:
        return []
    return [
        Text(),
        Text("preferred, but not used", style="dim"),
        _facts((each["provider"], each["reason"]) for each in answers["refused"]),
    ]


def _table(titles: tuple[str, ...]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    table.add_column(titles[0], overflow="fold")  # gives way to the figures
    for title in titles[1:]:
        table.add_column(title, justify="right", no_wrap=True)
    return table


def _idle(agent: _Figures) -> str:
    busy = agent["requests"]["running"] + agent["requests"]["waiting"] > 0
    return _UNKNOWN if busy else _duration(agent["idle_seconds"])


def _share(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{100 * value:.0f} %"


def _percent(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.0f} %"


def _bytes(value: int | None) -> str:
    return _UNKNOWN if value is None else bytes_text(value)


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    if seconds < 3600:
        return f"{seconds // 60:.0f} min"
    return f"{seconds // 3600:.0f} h {seconds % 3600 // 60:.0f} min"
