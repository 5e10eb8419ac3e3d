"""The body of POST /v1/responses: what is supported, what is accepted without effect, what is refused.

Format: https://platform.openai.com/docs/api-reference/responses/create. A parameter that would
change the answer and is not supported is refused by name; one that cannot change it is accepted.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, field_validator, model_validator

from codex_windows_ai.api.shared.body import BodyPart
from codex_windows_ai.api.shared.parameters import GenerationBody
from codex_windows_ai.chat.grammar import json_grammar
from codex_windows_ai.protocol.grammar import Grammar

NOT_SUPPORTED = {
    "previous_response_id": "this host keeps no responses; send the whole conversation as `input`",
    "conversation": "this host keeps no conversations; send the whole conversation as `input`",
    "prompt": "this host keeps no prompt templates; send the text itself",
    "background": "this host keeps no responses; use `stream` for long answers",
    "truncation": 'nothing is ever left out of a prompt; only "disabled" is accepted',
    "service_tier": 'there is one tier; only "auto" and "default" are accepted',
    "context_management": "this host does not shorten conversations",
    "moderation": "this host moderates nothing",
}

_LOGPROBS = "message.output_text.logprobs"


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

    effort: str | None = None
    summary: str | None = None


class ResponsesRequest(GenerationBody):
    """The body, checked; `input` and `tools` are read item by item elsewhere."""

    input: str | list[dict[str, Any]]
    instructions: str | None = None
    tools: list[dict[str, Any]] | None = None
    tool_choice: str | dict[str, Any] | None = None
    parallel_tool_calls: bool | None = None
    text: TextOptions | None = None
    max_output_tokens: int | None = Field(default=None, ge=1)
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None

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

    @property
    def wanted_logprobs(self) -> int | None:
        """How many alternatives each token is to have; None where no log probabilities are asked for."""
        if self.top_logprobs or _LOGPROBS in (self.include or ()):
            return self.top_logprobs or 0
        return None
