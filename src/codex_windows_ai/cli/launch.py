"""`cwai launch`: any coding agent on the model of this machine, for one run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from codex_windows_ai.cli.interrupt import Interruption
from codex_windows_ai.cli.progress import ProgressReporter

if TYPE_CHECKING:
    from codex_windows_ai.agents.agent import Agent
    from codex_windows_ai.settings import Settings

NAMES = ("claude-code", "opencode", "qwen-code", "pi", "continue", "cline", "kilo", "copilot", "codex")


def command(
    name: Annotated[str, typer.Argument(metavar="AGENT", help=f"One of {', '.join(NAMES)}.", show_default=False)],
    arguments: Annotated[
        list[str] | None,
        typer.Argument(metavar="[-- ARGUMENTS...]", help="The agent's own arguments, untouched.", show_default=False),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", metavar="NAME", help="An installed model's name, or a model folder.")
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Start it also where its first prompt does not fit the model.")
    ] = False,
) -> int:
    """Run a coding agent on the model of this machine.

    It is told by its environment and by temporary files: its own configuration is not touched. Behind `--` come its
    own arguments; its exit code is passed on. docs/agents.md says what each agent can do here.
    """
    from codex_windows_ai.settings import load_settings

    arguments = arguments or []
    if name not in NAMES:
        raise typer.BadParameter(f"There is no agent `{name}`; take one of {', '.join(NAMES)}.", param_hint="AGENT")
    settings = load_settings(model=model, use_windows_ai=True)
    if name == "codex":
        return _codex(settings, arguments)
    from codex_windows_ai.agents.known.agents import AGENTS

    return _launch(AGENTS[name], settings, arguments, anyway=anyway)


def _codex(settings: Settings, arguments: Sequence[str]) -> int:
    """As `cwai codex --use-windows-ai`, which sends 1,300 tokens at most: it fits every model."""
    from codex_windows_ai.codex.launch import find_codex, run_codex
    from codex_windows_ai.codex.session import windows_ai_overrides, with_overrides

    find_codex()  # before a host is started for nothing
    with ProgressReporter() as progress:
        overrides = Interruption().run(windows_ai_overrides(settings, progress=progress))
    return run_codex(with_overrides(overrides, arguments))


def _launch(agent: Agent, settings: Settings, arguments: Sequence[str], *, anyway: bool) -> int:
    from codex_windows_ai.agents.fit import check_fit
    from codex_windows_ai.agents.host_model import ask_host_model
    from codex_windows_ai.agents.launch import find_program, launch

    find_program(agent)  # before a host is started for nothing
    with ProgressReporter() as progress:
        model = Interruption().run(ask_host_model(agent, settings, arguments, progress=progress))
    if not anyway:
        check_fit(agent, model.name, model.window, arguments)
    return launch(agent, model, arguments)
