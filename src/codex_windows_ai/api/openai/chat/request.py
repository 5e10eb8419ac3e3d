"""What POST /v1/chat/completions accepts.

Format: https://platform.openai.com/docs/api-reference/chat/create. This model is also a component schema of the
OpenAPI document, so what it accepts is what the document says. Messages and tools are read one by one elsewhere: in a
history, nothing of them that is unknown here may end a session.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from codex_windows_ai.api.openai.body import OpenAIBody
from codex_windows_ai.api.shared.body import BodyPart


class PlainTextFormat(BodyPart):
    """Any text."""

    type: Literal["text"]


class JsonObjectFormat(BodyPart):
    """Any JSON object."""

    type: Literal["json_object"]


class JsonSchema(BodyPart):
    """A JSON schema by name. One that is `strict` is kept to in every keyword, any other as far as that goes."""

    name: str | None = None
    description: str | None = None
    definition: Annotated[dict[str, Any], Field(alias="schema")]
    strict: bool | None = None


class JsonSchemaFormat(BodyPart):
    """JSON that matches a schema."""

    type: Literal["json_schema"]
    json_schema: JsonSchema


class StreamOptions(BodyPart):
    """What a stream has besides the answer; `include_obfuscation` changes nothing here."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ChatRequest(OpenAIBody):
    """A conversation to be continued."""

    messages: Annotated[list[dict[str, Any]], Field(min_length=1, fail_fast=True)]
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    response_format: (
        Annotated[PlainTextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")] | None
    ) = None
    stream_options: StreamOptions | None = None
