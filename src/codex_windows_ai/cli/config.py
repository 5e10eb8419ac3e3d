"""`cwai config`: where the settings come from and what they are."""

from __future__ import annotations

from typing import Annotated, cast

import typer

from codex_windows_ai.cli.output import write, write_json

app = typer.Typer(help="Show the settings and where they come from.", no_args_is_help=True)

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command()
def path(as_json: JsonOption = False) -> None:
    """Print where the settings file is looked for."""
    from codex_windows_ai.settings import settings_file

    file = settings_file()
    if as_json:
        write_json({"path": str(file), "exists": file.is_file()})
    else:
        write(f"{file}\n")


@app.command()
def show(as_json: JsonOption = False) -> None:
    """Print the settings in force: environment over file over default."""
    from codex_windows_ai.settings import load_settings, settings_file

    settings = load_settings().model_dump(mode="json")
    if as_json:
        write_json({"path": str(settings_file()), "settings": settings})
        return
    for name, value in settings.items():
        shown = ", ".join(cast("list[str]", value)) if isinstance(value, list) else value
        write(f"{name} = {'' if shown is None else shown}\n")
