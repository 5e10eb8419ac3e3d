"""What is asked: a conversation to be continued, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from codex_windows_ai.protocol.grammar import Grammar
from codex_windows_ai.protocol.message import Call, Image, Message, Part
from codex_windows_ai.protocol.tools import ToolSet

__all__ = ["GenerationRequest", "Grammar", "Message", "SamplingParameters", "ToolSet"]


@dataclass(frozen=True, slots=True)
class SamplingParameters:
    """How the next token is chosen.

    `temperature` 0 is greedy. `top_p`, `top_k` and `min_p` keep the likeliest tokens (1.0, 0 and
    0.0 switch them off). `repetition_penalty` (CTRL, arXiv 1909.05858) divides the positive and
    multiplies the negative logits of tokens already seen; `presence_penalty` and
    `frequency_penalty` are OpenAI's. A `seed` makes the request exact: the same tokens however
    busy the engine is and whatever its cache holds.
    """

    temperature: float = 0.0
    top_p: float = 1.0
    top_k: int = 0
    min_p: float = 0.0
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    seed: int | None = None


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """A conversation to be continued.

    `model` is the one that is asked, by name; None is the default one. `agent` names who asks, for fairness between
    agents. `max_output_tokens` None means what the window leaves, or less where memory is short. `deadline`
    is in seconds from submission. `grammar` is what the answer's text must match; an answer that calls `tools` has no
    text then. `prompt_token_ids` and `prompt_text` bypass the chat format: the caller's own prompt, in which special
    tokens are obeyed; with a `suffix` the answer is what stands between the text and that. `provider`
    is for whoever routes requests: the one that must answer, as the setting of that name. `template_options` are told
    to the model's chat template where it knows them: how to reason (`enable_thinking`, `reasoning_effort`), say.
    `reasoning_budget` is the most tokens that the model may think before it answers, 0 none; None leaves it to the
    settings.
    """

    messages: tuple[Message, ...] = ()
    tools: ToolSet = field(default_factory=ToolSet)
    prompt_token_ids: tuple[int, ...] | None = None
    sampling: SamplingParameters = field(default_factory=SamplingParameters)
    max_output_tokens: int | None = None
    stop: tuple[str, ...] = ()
    grammar: Grammar | None = None
    agent: str = "default"
    deadline: float | None = None
    top_logprobs: int | None = None
    provider: str | None = None
    model: str | None = None
    template_options: dict[str, Any] = field(default_factory=dict[str, Any])
    reasoning_budget: int | None = None
    prompt_text: str | None = None
    suffix: str | None = None

    @property
    def size(self) -> int:
        """How much is to be read, in characters and roughly; not counted beyond `ENOUGH`, as that is done at once."""
        size = len(self.prompt_token_ids or ()) + (len(self.grammar.definition) if self.grammar else 0)
        size += _TOOL * len(self.tools.tools) + len(self.prompt_text or "") + len(self.suffix or "")
        for message in self.messages:
            if size >= ENOUGH:
                break
            size += _TURN + sum(_length(part) for part in message.parts)
        return size


ENOUGH = 1 << 20
_TOOL, _TURN = 500, 20  # about what a tool's schema and a turn's mark-up have


def _length(part: Part) -> int:
    match part:
        case Call(body=body):
            return len(body)
        case Image():
            return 0
        case _:
            return len(part.text)
