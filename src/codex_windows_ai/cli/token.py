"""`cwai token`: what a client shows the host."""

from __future__ import annotations

import json
import os
from typing import Annotated

import typer

from codex_windows_ai.cli.interrupt import Interruption
from codex_windows_ai.cli.output import write


def command(
    headers: Annotated[
        bool, typer.Option("--headers", help="Print the HTTP headers that carry it, as one JSON object.")
    ] = False,
    variables: Annotated[
        list[str] | None, typer.Option("--env", metavar="NAME=VALUE", help="Set a variable of the environment first.")
    ] = None,
) -> None:
    """Print the host's token; a host is started first if none runs.

    Codex runs this for the profile of `cwai setup codex`, so that no secret has to stand in a file of its own. By
    hand: `curl -H "Authorization: Bearer $(cwai token)" …`.
    """
    from codex_windows_ai.codex.host_facts import host_token

    for variable in variables or ():
        name, _, value = variable.partition("=")
        os.environ[name] = value
    token = Interruption().run(host_token())
    write(json.dumps({"Authorization": f"Bearer {token}"}) if headers else f"{token}\n")
