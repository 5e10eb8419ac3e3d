"""`cwai serve`: the host in this terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from codex_windows_ai.cli.output import say
from codex_windows_ai.errors import HostRunsAlreadyError

if TYPE_CHECKING:
    from codex_windows_ai.settings import Settings


def command(
    host: Annotated[
        str | None,
        typer.Option(
            "--host",
            metavar="ADDRESS",
            help="Listen on this address; one that other machines reach needs --token-file. Default: 127.0.0.1.",
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            metavar="NUMBER",
            min=0,
            max=65535,
            help="Listen on this port, 0: any free one. Default: 8417, or any free one where that is taken.",
        ),
    ] = None,
    idle_stop: Annotated[
        float | None,
        typer.Option(
            "--idle-stop", metavar="SECONDS", min=0, help="End after so many seconds without a request; 0: never."
        ),
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", metavar="FILE", help="Ask clients for the token in this file, not for your own."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", metavar="NAME", help="An installed model's name, or a model folder.")
    ] = None,
    on_demand: Annotated[bool, typer.Option("--on-demand", hidden=True)] = False,
) -> None:
    """Run the host: one model for all programs of this user, over HTTP.

    It needs no command: the first `cwai exec --use-windows-ai` starts one. Ctrl-C or `cwai stop` ends it;
    answers that run may finish for five seconds.
    """
    from codex_windows_ai.settings import load_settings

    settings = load_settings(model=model, port=port, idle_stop=idle_stop)
    _serve(settings, host, token_file, on_demand=on_demand)


def _serve(settings: Settings, host: str | None, token_file: Path | None, *, on_demand: bool) -> None:
    import logging

    from codex_windows_ai.codex.agent_tools import codex_tools
    from codex_windows_ai.codex.client_profile import codex_profile
    from codex_windows_ai.discovery.record import HostRecord, log_file
    from codex_windows_ai.host.listener import LOOPBACK, is_loopback
    from codex_windows_ai.host.log import HostLog
    from codex_windows_ai.host.process import ServeOptions, serve

    host_log = HostLog()
    logging.basicConfig(level=logging.WARNING, handlers=[host_log])
    logging.getLogger("codex_windows_ai").setLevel(logging.INFO if on_demand else logging.WARNING)
    address = host or LOOPBACK
    options = ServeOptions(
        address,
        token_file,
        on_demand,
        host_log,
        # Codex runs commands on this machine, which is no business of other machines.
        mcp_tools=codex_tools(settings) if is_loopback(address) else (),
        profiles=(codex_profile(settings),),
    )

    def tell(record: HostRecord) -> None:
        say(f"cwai: listening on {record.url} (token: {record.token_file})")
        if on_demand:  # whoever started it has heard enough, and may be gone
            host_log.move_to(log_file())

    try:
        serve(settings, options, on_listening=tell)
    except HostRunsAlreadyError as error:
        if not on_demand:
            raise
        # Of several programs that start a host at once, one wins; the others' hosts are not needed.
        say(f"cwai: {error.message}")
