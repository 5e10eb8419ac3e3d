"""`cwai setup`: other agents on this machine learn of the host, and forget it again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import typer

from codex_windows_ai.cli import setup_odr
from codex_windows_ai.cli.changes import DryRunOption, ForceOption, JsonOption, carry_out, undo
from codex_windows_ai.cli.interrupt import Interruption
from codex_windows_ai.cli.output import say, write, write_json
from codex_windows_ai.cli.progress import ProgressReporter
from codex_windows_ai.cli.setup_agents import WriteOption, add_agents, plan_model_restore, set_up_model

if TYPE_CHECKING:
    from codex_windows_ai.agents.editors import EditorName

app = typer.Typer(help="Set up agents and editors for the host; all of it can be undone.")
codex = typer.Typer(invoke_without_command=True)
app.add_typer(codex, name="codex")
app.add_typer(setup_odr.app, name="odr")


@codex.callback()
def set_up_codex(
    context: typer.Context, dry_run: DryRunOption = False, force: ForceOption = False, as_json: JsonOption = False
) -> None:
    """Write the Codex profiles `windows-ai` (the model of this PC answers) and `windows-ai-tools` (only its tools).

    The host is started if none runs, and the model that it serves goes into a catalogue beside the profiles. Your
    config.toml is not touched.
    """
    if context.invoked_subcommand is not None:
        return
    from codex_windows_ai.codex import setup
    from codex_windows_ai.codex.host_facts import ask_host

    with ProgressReporter() as progress:
        facts = Interruption().run(ask_host(progress=progress))
    changes = setup.plan_setup(facts.url, facts.models, force=force)
    carry_out(changes, dry_run=dry_run, as_json=as_json)
    if not dry_run and not as_json:
        say("Codex is set up: `codex -p windows-ai`. Undo it with `cwai setup codex restore`.")


@codex.command("show")
def show_codex(as_json: JsonOption = False) -> None:
    """Print the files of the setup as they are now."""
    from codex_windows_ai.agents.file_changes import is_recorded, read_text
    from codex_windows_ai.codex.setup import setup_files

    files = [(path, read_text(path), is_recorded(path)) for path in setup_files()]
    if as_json:
        described = [{"path": str(path), "text": text, "ours": ours} for path, text, ours in files]
        write_json({"files": described})
        return
    for path, text, ours in files:
        write(f"# {path}: {'not there' if text is None else 'written by this program' if ours else 'not ours'}\n")
        write(f"{text}\n" if text is not None else "")


@codex.command("restore")
def restore_codex(dry_run: DryRunOption = False, force: ForceOption = False, as_json: JsonOption = False) -> None:
    """Undo the setup: each file becomes what it was before."""
    from codex_windows_ai.codex.setup import plan_restore

    undo(plan_restore(force=force), dry_run=dry_run, as_json=as_json)


def _add_editor(name: EditorName, title: str) -> typer.Typer:
    """Add the commands of one MCP client: print or write its configuration, and restore."""
    group = typer.Typer(invoke_without_command=True, help=f"The MCP configuration of {title}.")
    app.add_typer(group, name=name)

    @group.callback()
    def set_up(
        context: typer.Context,
        to_file: WriteOption = False,
        force: ForceOption = False,
        as_json: JsonOption = False,
    ) -> None:
        if context.invoked_subcommand is not None:
            return
        from codex_windows_ai.agents.editors import editor
        from codex_windows_ai.agents.file_changes import plan_entry

        client = editor(name)
        if to_file:
            change = plan_entry(client.file, client.entry, client.server, force=force)
            carry_out([change], dry_run=False, as_json=as_json)
            return
        section, key = client.entry
        configuration: dict[str, Any] = {section: {key: client.server}}
        if as_json:
            write_json({"path": str(client.file), "configuration": configuration})
        else:
            write(json.dumps(configuration, indent=2) + "\n")
            say(f"This belongs into {client.file}; `cwai setup {name} --write` puts it there.")

    set_up.__doc__ = f"Print the MCP configuration of {title}, or write it."

    def restore(dry_run: DryRunOption = False, as_json: JsonOption = False) -> None:
        from codex_windows_ai.agents.editors import editor
        from codex_windows_ai.agents.file_changes import plan_restore

        changes = plan_restore([editor(name).file])
        if name == "claude-code":
            changes += plan_model_restore(name)
        undo(changes, dry_run=dry_run, as_json=as_json)

    group.command("restore", help=f"Take our entry out of the configuration of {title}.")(restore)
    return group


def set_up_claude_code_model(
    to_file: WriteOption = False, force: ForceOption = False, as_json: JsonOption = False
) -> None:
    """Print, or write beside the user's own, the settings with which the model of this PC answers Claude Code.

    The host is started if none runs. `cwai setup claude-code restore` undoes it.
    """
    set_up_model("claude-code", to_file=to_file, force=force, as_json=as_json)


_add_editor("vscode", "VS Code")
_add_editor("claude-code", "Claude Code").command("model")(set_up_claude_code_model)
_add_editor("cursor", "Cursor")
add_agents(app)
