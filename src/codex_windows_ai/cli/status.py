"""`cwai status`: the host's address and what it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from codex_windows_ai.cli.output import bytes_text, write, write_json
from codex_windows_ai.errors import HostUnreachableError

if TYPE_CHECKING:
    from codex_windows_ai.discovery.record import HostRecord


def command(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """Show where the host listens and what it does.

    Exit code 5 when none runs or it does not answer.
    """
    import asyncio

    from codex_windows_ai.discovery.record import read_record

    record = read_record()
    if record is None:
        raise HostUnreachableError(
            "No host runs.", hint="`cwai exec --use-windows-ai` starts one by itself; `cwai serve` runs it here."
        )
    status = asyncio.run(_ask(record))
    document: dict[str, Any] = {"url": record.url, "token_file": record.token_file, **status}
    if as_json:
        write_json(document)
    else:
        write(_text(document))


async def _ask(record: HostRecord) -> dict[str, Any]:
    from codex_windows_ai.client.http import HostClient

    async with HostClient(record) as client:
        await client.authenticate()
        return await client.status()


def _text(status: dict[str, Any]) -> str:
    lines = {
        "url": status["url"],
        "token file": status["token_file"],
        "process": f"{status['pid']}, version {status['version']}, up {status['uptime_seconds']:.0f} s",
        "state": _state(status),
        "models": ", ".join(status["models"]) or "none loaded",
        "requests": f"{status['active_requests']} of {status['agents']} agents now, {status['requests']} in all",
    }
    channels = status["channels"]
    lines["channels"] = f"{'open' if channels['open'] else 'none'}: {channels['detail']}"
    if queue := status["queue"]:
        lines["queue"] = f"{queue['waiting']} waiting, {queue['running']} running"
    if memory := status.get("memory"):
        lines["memory"] = _memory(memory)
    text = "".join(f"{name + ':':<12}{value}\n" for name, value in lines.items())
    return text + "".join(f"{'note:':<12}{remark}\n" for remark in status.get("remarks", ()))


def _memory(memory: dict[str, int]) -> str:
    parts = (
        f"{name.removesuffix('_bytes').replace('_', ' ')} {bytes_text(size)}"
        for name, size in memory.items()
        if name not in ("bytes", "budget_bytes")
    )
    budget = f" of {bytes_text(memory['budget_bytes'])}" if memory["budget_bytes"] else ""
    return f"{bytes_text(memory['bytes'])}{budget}: {', '.join(parts)}"


def _state(status: dict[str, Any]) -> str:
    if "stage" in status:
        share = f" {100 * status['done'] // status['total']} %" if status["total"] else ""
        return f"{status['state']}: {status['stage']}{share}"
    return f"{status['state']}: {status['error']['message']}" if "error" in status else status["state"]
