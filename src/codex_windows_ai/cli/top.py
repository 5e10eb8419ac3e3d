"""`cwai top`: what the host does now, agent by agent."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from codex_windows_ai.cli.interrupt import Interruption
from codex_windows_ai.cli.output import is_terminal, say, write, write_json
from codex_windows_ai.errors import HostUnreachableError

if TYPE_CHECKING:
    from codex_windows_ai.client.http import HostClient
    from codex_windows_ai.discovery.record import HostRecord

_REFRESH_SECONDS = 1.0


def command(
    once: Annotated[bool, typer.Option("--once", help="Print the figures once and end.")] = False,
    web: Annotated[bool, typer.Option("--web", help="Print a link to the same in a browser, and open it.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object and end.")] = False,
) -> None:
    """Show what the host does now: its agents, the model, the prefix cache, the devices.

    Refreshed every second until Ctrl-C; where standard output is no terminal, printed once. The link of
    `--web` works once. Exit code 5 when no host runs or it does not answer.
    """
    from codex_windows_ai.discovery.record import read_record

    record = read_record()
    if record is None:
        raise HostUnreachableError(
            "No host runs.", hint="`cwai exec --use-windows-ai` starts one by itself; `cwai serve` runs it here."
        )
    if web:
        _show_link(*Interruption().run(_make_link(record)), as_json=as_json)
    elif as_json:
        write_json(Interruption().run(_ask(record)))
    elif once or not is_terminal(sys.stdout):
        _print_once(Interruption().run(_ask(record)))
    else:
        Interruption().run(_watch(record))


@asynccontextmanager
async def _connected(record: HostRecord) -> AsyncGenerator[HostClient]:
    from codex_windows_ai.client.http import HostClient

    async with HostClient(record) as client:
        await client.authenticate()
        yield client


async def _ask(record: HostRecord) -> dict[str, Any]:
    async with _connected(record) as client:
        return await client.statistics()


async def _make_link(record: HostRecord) -> tuple[str, float]:
    async with _connected(record) as client:
        code, seconds = await client.view_code()
    return f"{record.url}/#code={code}", seconds


def _show_link(url: str, seconds: float, *, as_json: bool) -> None:
    import webbrowser

    if as_json:
        write_json({"url": url, "seconds": seconds})
        return
    say(f"cwai: this link works once, within {seconds / 60:.0f} minutes")
    write(f"{url}\n")
    # A browser without windows would take the terminal over.
    desktop = sys.platform in ("win32", "darwin") or os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    if desktop and is_terminal(sys.stdout):
        webbrowser.open(url)


def _print_once(statistics: dict[str, Any]) -> None:
    from rich.console import Console

    from codex_windows_ai.cli.top_view import top_view

    console = Console(highlight=False)
    console.print(top_view(statistics, console.width))


async def _watch(record: HostRecord) -> None:
    import asyncio

    from rich.console import Console
    from rich.live import Live

    from codex_windows_ai.cli.top_view import top_view

    console = Console(highlight=False)
    async with _connected(record) as client:
        first = await client.statistics()
        with Live(top_view(first, console.width), console=console, screen=True, auto_refresh=False) as live:
            live.refresh()
            while True:
                await asyncio.sleep(_REFRESH_SECONDS)
                live.update(top_view(await client.statistics(), console.width), refresh=True)
