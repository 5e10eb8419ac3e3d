"""What the engine is asked: token ids to be continued, and how."""

from __future__ import annotations

from dataclasses import dataclass, field

from codex_windows_ai.engine.preamble import Preamble
from codex_windows_ai.protocol.request import Grammar, SamplingParameters


@dataclass(frozen=True, slots=True)
class EngineRequest:
    """A prompt of token ids to be continued.

    `agent` names who asks, for fairness between agents. `max_output_tokens` None means what the window
    leaves, or less where that would leave no room for others. `deadline` is in seconds from submission.
    `top_logprobs` asks for the log probability of each chosen token and of so many alternatives. Behind a `preamble`
    at most, the answer matches `grammar` and ends at a text of `stop`.
    """

    prompt: tuple[int, ...]
    sampling: SamplingParameters = field(default_factory=SamplingParameters)
    max_output_tokens: int | None = None
    stop: tuple[str, ...] = ()
    grammar: Grammar | None = None
    agent: str = "default"
    deadline: float | None = None
    top_logprobs: int | None = None
    preamble: Preamble | None = None
