"""Whether an agent's first prompt fits a model, and what to do where it does not."""

from __future__ import annotations

from collections.abc import Sequence

from codex_windows_ai.agents.agent import Agent
from codex_windows_ai.errors import InvalidRequestError

__all__ = ["check_fit", "shortfall"]


def shortfall(agent: Agent, window: int, arguments: Sequence[str] = ()) -> str | None:
    """What to do where the agent, started with these arguments, cannot begin in a window of so many tokens.

    None where it can.
    """
    if agent.needed_window(arguments) <= window:
        return None
    larger = f"a model with a window of {agent.needed_window(arguments):,} tokens or more (--model NAME)"
    smaller = agent.smaller
    if smaller and agent.needed_window((smaller.option,)) <= window:
        return f"`cwai launch {agent.name} -- {smaller.option}` sends about {smaller.tokens:,}. Or take {larger}."
    return f"Take {larger}; `cwai models list` shows what is installed."


def check_fit(agent: Agent, model: str, window: int, arguments: Sequence[str]) -> None:
    """Raises InvalidRequestError: what the agent sends first does not fit the model."""
    if what_to_do := shortfall(agent, window, arguments):
        raise InvalidRequestError(
            f"What {agent.title} sends first is about {agent.prompt_tokens(arguments):,} tokens, and the window of "
            f"{model} holds {window:,}.",
            hint=f"{what_to_do} --anyway starts it nonetheless.",
        )
