"""What POST /v1/messages answers.

Format: https://platform.claude.com/docs/en/api/messages and .../build-with-claude/streaming; the key `windows_ai` is
ours.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field

StopReason = Literal["end_turn", "max_tokens", "stop_sequence", "tool_use", "refusal", "model_context_window_exceeded"]


class TextBlock(BaseModel):
    """Words."""

    type: Literal["text"] = "text"
    text: str


class ThinkingBlock(BaseModel):
    """What the model thought; by its `signature` it is known again when it is sent back."""

    type: Literal["thinking"] = "thinking"
    thinking: str
    signature: str


class ToolUseBlock(BaseModel):
    """A call of a tool."""

    type: Literal["tool_use"] = "tool_use"
    id: str
    name: str
    input: dict[str, Any]


ContentBlock = Annotated[TextBlock | ThinkingBlock | ToolUseBlock, Field(discriminator="type")]


class OutputTokensDetails(BaseModel):
    """How many of the answer's tokens were thought and not said."""

    thinking_tokens: int


class Usage(BaseModel):
    """Counts of tokens. The prompt's are those of `input_tokens` and of `cache_read_input_tokens` together."""

    input_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    output_tokens: int
    output_tokens_details: OutputTokensDetails


class StopDetails(BaseModel):
    """Why an answer was refused."""

    type: Literal["refusal"] = "refusal"
    category: None = None
    explanation: str


class Message(BaseModel):
    """A whole answer; in the event that begins a stream, an empty one."""

    id: str
    type: Literal["message"] = "message"
    role: Literal["assistant"] = "assistant"
    model: str
    content: list[ContentBlock]
    stop_reason: StopReason | None
    stop_sequence: str | None
    stop_details: StopDetails | None = None
    usage: Usage
    windows_ai: dict[str, Any] | None = None


class MessageStart(BaseModel):
    """The first event."""

    type: Literal["message_start"] = "message_start"
    message: Message


class ContentBlockStart(BaseModel):
    """A block begins, with nothing in it."""

    type: Literal["content_block_start"] = "content_block_start"
    index: int
    content_block: ContentBlock


class TextDelta(BaseModel):
    """More words."""

    type: Literal["text_delta"] = "text_delta"
    text: str


class ThinkingDelta(BaseModel):
    """More of what is thought."""

    type: Literal["thinking_delta"] = "thinking_delta"
    thinking: str


class SignatureDelta(BaseModel):
    """The seal of what was thought."""

    type: Literal["signature_delta"] = "signature_delta"
    signature: str


class InputJsonDelta(BaseModel):
    """More of the JSON text that a tool gets."""

    type: Literal["input_json_delta"] = "input_json_delta"
    partial_json: str


BlockDelta = Annotated[TextDelta | ThinkingDelta | SignatureDelta | InputJsonDelta, Field(discriminator="type")]


class ContentBlockDelta(BaseModel):
    """More of the block that is open."""

    type: Literal["content_block_delta"] = "content_block_delta"
    index: int
    delta: BlockDelta


class ContentBlockStop(BaseModel):
    """The block is whole."""

    type: Literal["content_block_stop"] = "content_block_stop"
    index: int


class Ending(BaseModel):
    """Why the answer ended."""

    stop_reason: StopReason
    stop_sequence: str | None
    stop_details: StopDetails | None = None


class MessageDelta(BaseModel):
    """The end of the answer, and who gave it."""

    type: Literal["message_delta"] = "message_delta"
    delta: Ending
    usage: Usage
    windows_ai: dict[str, Any] | None = None


class MessageStop(BaseModel):
    """The last event."""

    type: Literal["message_stop"] = "message_stop"


class Ping(BaseModel):
    """The answer is still being worked on."""

    type: Literal["ping"] = "ping"


StreamEvent = (
    MessageStart | ContentBlockStart | ContentBlockDelta | ContentBlockStop | MessageDelta | MessageStop | Ping
)

EVENTS: tuple[type[BaseModel], ...] = get_args(StreamEvent)
