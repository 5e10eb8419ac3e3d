"""Checks of the coding agents: which are here, and whether what they send first fits the model that would answer."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from codex_windows_ai.agents.agent import Agent
from codex_windows_ai.agents.fit import shortfall
from codex_windows_ai.agents.known.agents import AGENTS
from codex_windows_ai.agents.launch import find_program
from codex_windows_ai.doctor.report import Check, Finding
from codex_windows_ai.errors import NotAvailableError
from codex_windows_ai.models.store import ModelStore
from codex_windows_ai.settings import DEFAULT_MODEL, load_settings

__all__ = ["agent_checks"]


def agent_checks() -> Iterator[Check]:
    """One check of all agents that are not here, and one for each that is."""
    here = [agent for agent in AGENTS.values() if _is_here(agent)]
    if missing := [agent for agent in AGENTS.values() if agent not in here]:
        yield Check("agents.missing", partial(_missing, missing))
    for agent in here:
        yield Check(f"agents.{agent.name}", partial(_fits, agent))


def _is_here(agent: Agent) -> bool:
    try:
        find_program(agent)
    except NotAvailableError:
        return False
    return True


def _missing(agents: list[Agent]) -> Finding:
    """Nobody needs all of them."""
    names = ", ".join(agent.name for agent in agents)
    commands = {agent.name: agent.install for agent in agents}
    return Finding("skipped", f"not on this machine: {names}", {"install": commands})


def _fits(agent: Agent) -> Finding:
    model, window = _model_and_window()
    path = " ".join(find_program(agent))
    details = {"path": path, "first_prompt": agent.first_prompt, "model": model, "window": window}
    sends = f"{path} sends about {agent.first_prompt:,} tokens first"
    if window is None:
        return Finding("ok", f"{sends}; the window of {model} is known once it is installed", details)
    if what_to_do := shortfall(agent, window):
        return Finding("warning", f"{sends}, and the window of {model} holds {window:,}", details, what_to_do)
    return Finding("ok", f"{sends}, which fits {model} (window {window:,}): cwai launch {agent.name}", details)


def _model_and_window() -> tuple[str, int | None]:
    """The model that would answer, and its window; None where it would have to be fetched first."""
    name = load_settings().model
    store = ModelStore()
    if name == DEFAULT_MODEL and name not in [model.name for model in store.list()]:
        return name, None
    folder = store.resolve(name)
    return folder.name, folder.context_length
