"""The parameters of OpenAI's APIs that are refused by name."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator

from codex_windows_ai.api.shared.conversation_body import ConversationBody

NOT_SUPPORTED = {
    "audio": "the model writes text only",
    "background": "this host keeps no responses; use `stream` for long answers",
    "conversation": "this host keeps no conversations; send the whole conversation",
    "function_call": "it was replaced by `tool_choice`",
    "functions": "they were replaced by `tools`",
    "logit_bias": "tokens cannot be favoured one by one",
    "modalities": "the model writes text only",
    "n": "a request has one answer; send it again for another",
    "previous_response_id": "this host keeps no responses; send the whole conversation",
    "prompt": "this host keeps no prompt templates; send the text itself",
    "web_search_options": "the model has no access to the web",
}
"""Parameters without which the answer would be a wrong one, and why they are refused."""


class OpenAIBody(ConversationBody):
    """A conversation to be continued, as OpenAI's APIs ask for it."""

    # Of these only the value without effect is accepted; NOT_SUPPORTED says why.
    audio: None = None
    background: Annotated[bool, Field(json_schema_extra={"const": False})] | None = None
    conversation: None = None
    function_call: None = None
    functions: None = None
    logit_bias: Annotated[dict[str, Any], Field(max_length=0)] | None = None
    modalities: Annotated[list[Literal["text"]], Field(max_length=1)] | None = None
    n: Annotated[int, Field(ge=1, le=1)] | None = None
    previous_response_id: None = None
    prompt: None = None
    web_search_options: None = None

    @field_validator("background")
    @classmethod
    def _in_the_foreground(cls, value: bool | None) -> bool | None:
        if value:  # pydantic's Literal[False] would take 0 as well
            raise ValueError("must be false")
        return value
