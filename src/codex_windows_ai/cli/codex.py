"""`cwai codex`: the real Codex CLI, on the model of this machine if wanted."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from codex_windows_ai.cli.interrupt import Interruption
from codex_windows_ai.cli.output import say
from codex_windows_ai.cli.progress import ProgressReporter

OWN_OPTIONS = ("--use-windows-ai", "--kernel-accelerated")


class PassThrough(TyperCommand):
    """A command that takes its own flags wherever they stand before a `--` and leaves all other arguments alone.

    `ctx` is untyped because the class of contexts is private to Typer.
    """

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parses the flags; every other argument, in its order, becomes `ctx.args`."""
        if args[:1] in (["--help"], ["-h"]):
            return super().parse_args(ctx, args)
        end = args.index("--") if "--" in args else len(args)
        super().parse_args(ctx, [argument for argument in args[:end] if argument in OWN_OPTIONS])
        ctx.args = [argument for argument in args[:end] if argument not in OWN_OPTIONS] + args[end:]
        return ctx.args


def command(
    context: typer.Context,
    use_windows_ai: Annotated[
        bool, typer.Option("--use-windows-ai", help="Let the model of this machine answer; nothing leaves the machine.")
    ] = False,
    kernel_accelerated: Annotated[
        bool,
        typer.Option(
            "--kernel-accelerated",
            help="Answer on this machine through the kernel path (not available for Codex: exit code 4).",
        ),
    ] = False,
) -> int:
    """Run the real Codex CLI; all other arguments go to it untouched.

    `cwai codex --use-windows-ai` is Codex's terminal interface, `cwai codex --use-windows-ai exec "…"` one task.
    `cwai codex help` is Codex's own help.
    """
    from codex_windows_ai.codex.launch import find_codex, run_codex
    from codex_windows_ai.codex.session import kernel_path_refusal, windows_ai_overrides, with_overrides
    from codex_windows_ai.settings import load_settings

    settings = load_settings(
        use_windows_ai=use_windows_ai or kernel_accelerated or None, kernel_accelerated=kernel_accelerated or None
    )
    if not settings.use_windows_ai:
        return run_codex(context.args)
    if announcement := kernel_path_refusal(settings):
        say(f"cwai: {announcement}")
    find_codex()  # before a host is started for nothing
    with ProgressReporter() as progress:
        overrides = Interruption().run(windows_ai_overrides(settings, progress=progress))
    return run_codex(with_overrides(overrides, context.args))
