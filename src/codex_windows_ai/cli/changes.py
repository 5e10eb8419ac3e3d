"""Changes to other programs' configuration, as every `cwai setup` shows, makes and undoes them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from codex_windows_ai.cli.output import say, write, write_json

if TYPE_CHECKING:
    from codex_windows_ai.agents.file_changes import FileChange

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Show what would change, and change nothing.")]
ForceOption = Annotated[
    bool, typer.Option("--force", help="Also over files that are not ours or that were edited since.")
]


def carry_out(changes: Sequence[FileChange], *, dry_run: bool, as_json: bool) -> None:
    """Shows the changes, and makes them unless this is a dry run."""
    from codex_windows_ai.agents.file_changes import apply

    _show(changes, dry_run=dry_run, as_json=as_json)
    if not dry_run:
        apply(changes)


def undo(changes: Sequence[FileChange], *, dry_run: bool, as_json: bool) -> None:
    """Shows the changes that undo earlier ones, and makes them unless this is a dry run."""
    from codex_windows_ai.agents.file_changes import restore

    _show(changes, dry_run=dry_run, as_json=as_json)
    if not dry_run:
        restore(changes)


def _show(changes: Sequence[FileChange], *, dry_run: bool, as_json: bool) -> None:
    changed = [change for change in changes if change.before != change.after]
    if as_json:
        files = [{"path": str(change.path), "diff": change.diff()} for change in changed]
        write_json({"changes": files, "made": not dry_run})
        return
    write("".join(change.diff() for change in changed))
    if not changed:
        say("Nothing to change.")
