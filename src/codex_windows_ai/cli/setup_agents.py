"""`cwai setup` for coding agents that ask the host for answers, in their users' own configuration."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from codex_windows_ai.cli.changes import DryRunOption, ForceOption, JsonOption, carry_out, undo
from codex_windows_ai.cli.interrupt import Interruption
from codex_windows_ai.cli.output import say, write, write_json
from codex_windows_ai.cli.progress import ProgressReporter

if TYPE_CHECKING:
    from codex_windows_ai.agents.agent import Agent, HostModel, Lasting
    from codex_windows_ai.agents.file_changes import FileChange

TITLES = {"opencode": "opencode", "pi": "pi", "kilo": "Kilo"}

WriteOption = Annotated[
    bool, typer.Option("--write", help="Put it into the user's configuration, after showing the change.")
]


def add_agents(app: typer.Typer) -> None:
    """Adds a group for each agent whose configuration can name a provider without a secret."""
    for name, title in TITLES.items():
        _add_agent(app, name, title)


def _add_agent(app: typer.Typer, name: str, title: str) -> None:
    group = typer.Typer(invoke_without_command=True, help=f"The host as one more provider of {title}.")
    app.add_typer(group, name=name)

    @group.callback()
    def set_up(
        context: typer.Context, to_file: WriteOption = False, force: ForceOption = False, as_json: JsonOption = False
    ) -> None:
        if context.invoked_subcommand is None:
            set_up_model(name, to_file=to_file, force=force, as_json=as_json)

    set_up.__doc__ = f"Print the host as a provider of {title}, or write it into its configuration."

    def restore(dry_run: DryRunOption = False, as_json: JsonOption = False) -> None:
        undo(plan_model_restore(name), dry_run=dry_run, as_json=as_json)

    group.command("restore", help=f"Take the host out of the configuration of {title}.")(restore)


def set_up_model(name: str, *, to_file: bool, force: bool, as_json: bool) -> None:
    """Prints what the agent's configuration gets, or writes it; a host is started where none runs."""
    from codex_windows_ai.agents.host_model import ask_host_model
    from codex_windows_ai.agents.known.agents import AGENTS

    agent = AGENTS[name]
    with ProgressReporter() as progress:
        model = Interruption().run(ask_host_model(agent, progress=progress))
    lasting = _lasting(agent, model)
    if to_file:
        carry_out([plan_change(lasting, force=force)], dry_run=False, as_json=as_json)
        if not as_json:
            say(f"{agent.title} is set up: `{lasting.start}`. Undo it with `cwai setup {name} restore`.")
        return
    configuration: dict[str, Any] = dict(lasting.value)
    if lasting.entry:
        configuration = {lasting.entry[0]: {lasting.entry[1]: configuration}}
    if as_json:
        write_json({"path": str(lasting.file), "configuration": configuration, "start": lasting.start})
        return
    write(json.dumps(configuration, indent=2) + "\n")
    say(f"This belongs into {lasting.file}; `--write` puts it there. Then: {lasting.start}")


def plan_model_restore(name: str) -> Sequence[FileChange]:
    """The changes that undo `set_up_model`; no host is asked."""
    from codex_windows_ai.agents.agent import HostModel
    from codex_windows_ai.agents.file_changes import plan_restore
    from codex_windows_ai.agents.known.agents import AGENTS

    return plan_restore([_lasting(AGENTS[name], HostModel("", "", "", 0, 0)).file])


def _lasting(agent: Agent, model: HostModel) -> Lasting:
    if agent.lasting is None:
        raise KeyError(f"{agent.name} has no configuration that could name a provider without a secret")
    return agent.lasting(model)


def plan_change(lasting: Lasting, *, force: bool) -> FileChange:
    """The change that puts it where it belongs. Raises SetupConflictError: something else is there."""
    from codex_windows_ai.agents.file_changes import plan_entry, plan_file

    if lasting.entry:
        return plan_entry(lasting.file, lasting.entry, lasting.value, force=force)
    return plan_file(lasting.file, json.dumps(lasting.value, indent=2) + "\n", force=force)
