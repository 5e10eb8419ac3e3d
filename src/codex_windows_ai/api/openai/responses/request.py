"""The body of POST /v1/responses: what is supported, what is accepted without effect, what is refused.

Format: https://platform.openai.com/docs/api-reference/responses/create. A parameter that would
change the answer and is not supported is refused by name; one that cannot change it is accepted.
`seed`, `top_k`, `min_p`, `repetition_penalty`, `presence_penalty`, `frequency_penalty` and `stop`
are extensions, taken from the Chat Completions API and from other local servers.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from codex_windows_ai.api.shared.body import BodyPart
from codex_windows_ai.chat.grammar import json_grammar
from codex_windows_ai.protocol.request import Grammar, SamplingParameters
from codex_windows_ai.settings import Provider

NOT_SUPPORTED = {
    "previous_response_id": "this host keeps no responses; send the whole conversation as `input`",
    "conversation": "this host keeps no conversations; send the whole conversation as `input`",
    "prompt": "this host keeps no prompt templates; send the text itself",
    "background": "this host keeps no responses; use `stream` for long answers",
    "top_logprobs": "this door gives no log probabilities; POST /v1/chat/completions does",
    "truncation": 'nothing is ever left out of a prompt; only "disabled" is accepted',
    "service_tier": 'there is one tier; only "auto" and "default" are accepted',
    "context_management": "this host does not shorten conversations",
    "moderation": "this host moderates nothing",
}

_Number = Annotated[float, Field(allow_inf_nan=False)]


class TextFormat(BodyPart):
    """What the answer's text must be. `strict` makes no difference: a schema is always kept to."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    name: str | None = None
    description: str | None = None
    json_schema: dict[str, Any] | None = Field(default=None, alias="schema")
    strict: bool | None = None

    @model_validator(mode="after")
    def _has_what_its_type_needs(self) -> Self:
        if (self.json_schema is not None) != (self.type == "json_schema"):
            raise ValueError("a `schema` belongs to the type `json_schema`, and only to that")
        return self

    @property
    def grammar(self) -> Grammar | None:
        """What the text must match."""
        if self.type == "json_object":
            return json_grammar({"type": "object"})
        return None if self.json_schema is None else json_grammar(self.json_schema)


class TextOptions(BodyPart):
    """The parameter `text`."""

    format: TextFormat | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class ReasoningOptions(BodyPart):
    """The parameter `reasoning`: without effect, because no model here reasons apart from its answer."""

    model_config = ConfigDict(extra="allow")

    effort: str | None = None
    summary: str | None = None


class ResponsesRequest(BodyPart):
    """The body, checked; `input` and `tools` are read item by item elsewhere."""

    model: str
    input: str | list[dict[str, Any]]
    instructions: str | None = None
    stream: bool | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    text: TextOptions | None = None
    max_output_tokens: int | None = Field(default=None, ge=1)
    temperature: _Number | None = None
    top_p: _Number | None = None

    # Extensions.
    seed: int | None = Field(default=None, ge=0)
    top_k: int | None = None
    min_p: _Number | None = None
    repetition_penalty: _Number | None = None
    presence_penalty: _Number | None = None
    frequency_penalty: _Number | None = None
    stop: str | list[str] | None = None
    provider: Provider | None = Field(default=None, description="Who must answer, as the setting of that name.")

    # Accepted: they cannot change the answer.
    store: bool | None = None
    include: list[str] | None = None
    metadata: dict[str, str] | None = None
    client_metadata: dict[str, Any] | None = None
    prompt_cache_key: str | None = None
    prompt_cache_retention: str | None = None
    prompt_cache_options: dict[str, Any] | None = None
    safety_identifier: str | None = None
    user: str | None = None
    reasoning: ReasoningOptions | None = None
    stream_options: dict[str, Any] | None = None
    max_tool_calls: int | None = Field(default=None, description="Of tools that OpenAI's servers run themselves.")

    # Accepted with the value that asks for nothing.
    background: Annotated[bool, Field(json_schema_extra={"const": False})] | None = None
    truncation: Literal["disabled"] | None = None
    service_tier: Literal["auto", "default"] | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=0)] | None = None
    previous_response_id: None = None
    conversation: None = None
    prompt: None = None
    context_management: None = None
    moderation: None = None

    @field_validator("background")
    @classmethod
    def _in_the_foreground(cls, value: bool | None) -> bool | None:
        if value:  # pydantic's Literal[False] would take 0 as well
            raise ValueError("must be false")
        return value

    @field_validator("include")
    @classmethod
    def _without_logprobs(cls, value: list[str] | None) -> list[str] | None:
        if "message.output_text.logprobs" in (value or []):
            raise ValueError("this door gives no log probabilities; POST /v1/chat/completions does")
        return value

    @property
    def sampling(self) -> SamplingParameters:
        """How tokens are chosen; what was not given is the engine's default."""
        names = (
            "temperature",
            "top_p",
            "top_k",
            "min_p",
            "repetition_penalty",
            "presence_penalty",
            "frequency_penalty",
            "seed",
        )
        return SamplingParameters(**{name: value for name in names if (value := getattr(self, name)) is not None})

    @property
    def stop_strings(self) -> tuple[str, ...]:
        """Texts that end the answer."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())
