"""What is asked: a conversation to be continued, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

Role = Literal["system", "user", "assistant", "tool"]
GrammarKind = Literal["json_schema", "regex", "lark", "composed"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation. Its text is data: special tokens in it are never obeyed.

    Calls that an assistant made stand in its text as it wrote them; "tool" brings what one returned.
    """

    role: Role
    content: str


@dataclass(frozen=True, slots=True)
class Grammar:
    """What the answer must match: a JSON schema (as JSON text), a regex, or a Lark grammar.

    A "composed" one is several Lark grammars that refer to one another as `@name`, in llguidance's
    own JSON form: `{"grammars": [{"lark_grammar": …}, {"name": …, "lark_grammar": …}]}`.
    """

    kind: GrammarKind
    definition: str


@dataclass(frozen=True, slots=True)
class ToolOffer:
    """The tools a model is told of, said in two ways; which one is used depends on the model.

    `definitions` are for chat templates that take tools: each the JSON text of
    `{"type": "function", "function": {name, description, parameters}}`. `instructions` say the
    same in words, for the system message of all others. Either way the model calls a tool as
    `<tool_call>…</tool_call>` in its answer.
    """

    definitions: tuple[str, ...]
    instructions: str


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

    `agent` names who asks, for fairness between agents. `max_output_tokens` None means the engine's
    default, or what the window leaves if that is less. `deadline` is in seconds from submission.
    `prompt_token_ids` bypasses the chat template: the caller's own token ids, taken as they are.
    `provider` is for whoever routes requests: the one that must answer, as the setting of that name.
    """

    messages: tuple[Message, ...] = ()
    tools: ToolOffer | None = None
    prompt_token_ids: tuple[int, ...] | None = None
    sampling: SamplingParameters = field(default_factory=SamplingParameters)
    max_output_tokens: int | None = None
    stop: tuple[str, ...] = ()
    grammar: Grammar | None = None
    agent: str = "default"
    deadline: float | None = None
    top_logprobs: int | None = None
    provider: str | None = None
