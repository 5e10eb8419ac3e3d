"""What POST /v1/chat/completions accepts.

Format: https://platform.openai.com/docs/api-reference/chat/create. These models are also the component
schemas of the OpenAPI document, so what they accept is what the document says.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self, cast

from pydantic import BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from codex_windows_ai.api.openai.tools import NAME
from codex_windows_ai.api.shared.body import BodyPart
from codex_windows_ai.api.shared.parameters import GenerationBody

NOT_SUPPORTED = {
    "audio": "the model writes text only",
    "function_call": "it was replaced by `tool_choice`",
    "functions": "they were replaced by `tools`",
    "logit_bias": "tokens cannot be favoured one by one",
    "modalities": "the model writes text only",
    "moderation": "nothing is moderated on this machine",
    "n": "a request has one answer; send it again for another",
    "reasoning_effort": "the model does not reason before it answers",
    "verbosity": "say in the prompt how long the answer is to be",
    "web_search_options": "the model has no access to the web",
}
"""Parameters of OpenAI that would change the answer, and why they are refused."""

ToolName = Annotated[str, Field(pattern=f"^{NAME}$")]
SchemaName = Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,64}$")]
JsonObject = dict[str, Any]


def _refuse_other_media(part: object) -> object:
    kind = cast("JsonObject", part).get("type") if isinstance(part, dict) else None
    if kind in ("image_url", "input_audio", "file"):
        raise PydanticCustomError("not_text", "`{kind}` is not supported, the model reads text only", {"kind": kind})
    return cast("object", part)


class TextPart(BodyPart):
    """A piece of a message's text."""

    type: Literal["text"]
    text: str


class RefusalPart(BodyPart):
    """What an assistant said instead of an answer."""

    type: Literal["refusal"]
    refusal: str


TextContent = str | list[Annotated[TextPart, BeforeValidator(_refuse_other_media)]]


class InstructionMessage(BodyPart):
    """What the model is told by the program."""

    role: Literal["system", "developer"]
    content: TextContent
    name: str | None = None


class UserMessage(BodyPart):
    """What the model is asked."""

    role: Literal["user"]
    content: TextContent
    name: str | None = None


class CalledFunction(BodyPart):
    """A function with the JSON text of its arguments."""

    name: str
    arguments: str


class FunctionCall(BodyPart):
    """A call that the model made before."""

    id: str
    type: Literal["function"]
    function: CalledFunction


class CalledCustomTool(BodyPart):
    """A custom tool with the text it was given."""

    name: str
    input: str


class CustomToolCall(BodyPart):
    """A call of a custom tool that the model made before."""

    id: str
    type: Literal["custom"]
    custom: CalledCustomTool


class AssistantMessage(BodyPart):
    """What the model answered before; the fields of an answer may be sent back as they came."""

    role: Literal["assistant"]
    content: str | list[Annotated[TextPart | RefusalPart, Field(discriminator="type")]] | None = None
    refusal: str | None = None
    name: str | None = None
    tool_calls: list[Annotated[FunctionCall | CustomToolCall, Field(discriminator="type")]] | None = None
    annotations: list[JsonObject] | None = None
    audio: None = None
    function_call: None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.content is None and self.refusal is None and not self.tool_calls:
            raise PydanticCustomError("empty", "an assistant message needs `content` or `tool_calls`")
        return self


class ToolMessage(BodyPart):
    """What a called tool returned."""

    role: Literal["tool"]
    content: TextContent
    tool_call_id: str


ChatMessage = Annotated[InstructionMessage | UserMessage | AssistantMessage | ToolMessage, Field(discriminator="role")]


class FunctionDefinition(BodyPart):
    """A function that the model may call; `parameters` is a JSON schema."""

    name: ToolName
    description: str | None = None
    parameters: JsonObject | None = None
    strict: bool | None = None


class FunctionTool(BodyPart):
    """A tool of the kind that takes JSON."""

    type: Literal["function"]
    function: FunctionDefinition


class AnyText(BodyPart):
    """Any text may be given to the tool."""

    type: Literal["text"]


class GrammarDefinition(BodyPart):
    """A grammar in Lark's or regular expressions' syntax."""

    syntax: Literal["lark", "regex"]
    definition: str


class GrammarFormat(BodyPart):
    """What is given to the tool matches a grammar."""

    type: Literal["grammar"]
    grammar: GrammarDefinition


class CustomToolDefinition(BodyPart):
    """A tool that takes text."""

    name: ToolName
    description: str | None = None
    format: Annotated[AnyText | GrammarFormat, Field(discriminator="type")] | None = None


class CustomTool(BodyPart):
    """A tool of the kind that takes text."""

    type: Literal["custom"]
    custom: CustomToolDefinition


class ChosenTool(BodyPart):
    """A tool by its name."""

    name: ToolName


class ChosenFunction(BodyPart):
    """The one function that must be called."""

    type: Literal["function"]
    function: ChosenTool


class ChosenCustomTool(BodyPart):
    """The one custom tool that must be called."""

    type: Literal["custom"]
    custom: ChosenTool


ToolChoice = Annotated[ChosenFunction | ChosenCustomTool, Field(discriminator="type")]


class AllowedToolList(BodyPart):
    """Those of the tools that may be called, or of which one must be."""

    mode: Literal["auto", "required"]
    tools: Annotated[list[ToolChoice], Field(min_length=1)]


class AllowedTools(BodyPart):
    """A choice between some of the tools."""

    type: Literal["allowed_tools"]
    allowed_tools: AllowedToolList


class PlainTextFormat(BodyPart):
    """Any text."""

    type: Literal["text"]


class JsonObjectFormat(BodyPart):
    """Any JSON object."""

    type: Literal["json_object"]


class JsonSchema(BodyPart):
    """A JSON schema by name; it is always kept to, whatever `strict` says."""

    name: SchemaName
    description: str | None = None
    definition: Annotated[JsonObject, Field(alias="schema")]
    strict: bool | None = None


class JsonSchemaFormat(BodyPart):
    """JSON that matches a schema."""

    type: Literal["json_schema"]
    json_schema: JsonSchema


class StreamOptions(BodyPart):
    """What a stream has besides the answer; `include_obfuscation` changes nothing here."""

    include_usage: bool | None = None
    include_obfuscation: bool | None = None


class ChatRequest(GenerationBody):
    """A conversation to be continued."""

    messages: Annotated[list[ChatMessage], Field(min_length=1)]

    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None

    tools: list[Annotated[FunctionTool | CustomTool, Field(discriminator="type")]] | None = None
    tool_choice: (
        Literal["none", "auto", "required"]
        | Annotated[ChosenFunction | ChosenCustomTool | AllowedTools, Field(discriminator="type")]
        | None
    ) = None
    parallel_tool_calls: bool | None = None
    response_format: (
        Annotated[PlainTextFormat | JsonObjectFormat | JsonSchemaFormat, Field(discriminator="type")] | None
    ) = None

    stream_options: StreamOptions | None = None

    # Accepted because they change nothing: there is one tier, nothing is stored, prefixes are always cached.
    metadata: JsonObject | None = None
    prediction: JsonObject | None = None
    prompt_cache_key: str | None = None
    prompt_cache_options: JsonObject | None = None
    prompt_cache_retention: str | None = None
    safety_identifier: str | None = None
    service_tier: str | None = None
    store: bool | None = None
    user: str | None = None

    # OpenAI's parameters of which only the value without effect is accepted.
    audio: None = None
    function_call: None = None
    functions: None = None
    logit_bias: Annotated[JsonObject, Field(max_length=0)] | None = None
    modalities: Annotated[list[Literal["text"]], Field(max_length=1)] | None = None
    moderation: None = None
    n: Annotated[int, Field(ge=1, le=1)] | None = None
    reasoning_effort: Literal["none"] | None = None
    verbosity: Literal["medium"] | None = None
    web_search_options: None = None
