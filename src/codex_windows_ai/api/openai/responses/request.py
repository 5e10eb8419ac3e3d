"""What POST /v1/responses accepts.

Format: https://platform.openai.com/docs/api-reference/responses/create. Items and tools are read one by one elsewhere.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, cast

from pydantic import Field, model_validator

from codex_windows_ai.api.openai.body import OpenAIBody
from codex_windows_ai.api.shared.body import BodyPart
from codex_windows_ai.api.shared.conversation_body import ReasoningOptions
from codex_windows_ai.api.shared.question import ANY_OBJECT, AnswerSchema

_LOGPROBS, _SEALED = "message.output_text.logprobs", "reasoning.encrypted_content"


class TextFormat(BodyPart):
    """What the answer's text must be. A `strict` schema is kept to in every keyword, any other as far as that goes."""

    type: Literal["text", "json_object", "json_schema"] = "text"
    name: str | None = None
    description: str | None = None
    definition: dict[str, Any] | None = Field(default=None, alias="schema")
    strict: bool | None = None

    @model_validator(mode="after")
    def _has_what_its_type_needs(self) -> Self:
        if (self.definition is not None) != (self.type == "json_schema"):
            raise ValueError("a `schema` belongs to the type `json_schema`, and only to that")
        return self

    @property
    def answer_schema(self) -> AnswerSchema | None:
        """What the text must match."""
        if self.type == "json_object":
            return ANY_OBJECT
        return (
            None
            if self.definition is None
            else AnswerSchema(self.definition, self.strict or False, "text.format.schema")
        )


class TextOptions(BodyPart):
    """The parameter `text`."""

    format: TextFormat | None = None


class ResponsesRequest(OpenAIBody):
    """A conversation to be continued; `input` is its items, or what a user says."""

    input: str | Annotated[list[dict[str, Any]], Field(fail_fast=True)]
    instructions: str | None = None
    text: TextOptions | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    stream_options: Any = None

    @property
    def wanted_logprobs(self) -> int | None:
        """How many alternatives each token is to have; None where no log probabilities are asked for."""
        if self.top_logprobs or self._includes(_LOGPROBS):
            return self.top_logprobs or 0
        return None

    @property
    def wanted_summary(self) -> str | None:
        """How what the model thinks is to be summed up; None where it is not to be."""
        options = self.reasoning if isinstance(self.reasoning, ReasoningOptions) else ReasoningOptions()
        wanted = options.summary or options.generate_summary
        return None if wanted == "none" else wanted

    @property
    def wants_sealed_reasoning(self) -> bool:
        """Whether the client keeps what the model thinks, to send it back."""
        return self._includes(_SEALED)

    def _includes(self, name: str) -> bool:
        include = cast("object", self.include)
        return isinstance(include, list) and name in cast("list[object]", include)
