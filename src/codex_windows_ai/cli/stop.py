"""`cwai stop`: the host's end."""

from __future__ import annotations

from typing import Annotated

import typer

from codex_windows_ai.cli.output import say, write_json


def command(as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False) -> None:
    """End the host.

    Answers that run may finish for five seconds, then their clients are told. Without a host there is nothing to do.
    """
    import asyncio

    from codex_windows_ai.client.starter import stop_host
    from codex_windows_ai.discovery.record import read_record

    record = read_record()
    clean = asyncio.run(stop_host(record)) if record else None
    if as_json:
        write_json({"stopped": record is not None, "pid": record.pid if record else None, "clean": clean})
    elif record is None:
        say("cwai: no host runs")
    else:
        say(
            f"cwai: the host has ended (process {record.pid})" + ("" if clean else "; it did not answer and was killed")
        )
