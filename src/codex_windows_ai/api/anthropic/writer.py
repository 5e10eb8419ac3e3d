"""An answer as a message, whole or as the events of its stream. Blocks are opened, filled and closed in turn."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from codex_windows_ai.api.anthropic.errors import anthropic_error
from codex_windows_ai.api.anthropic.response import (
    BlockDelta,
    ContentBlock,
    ContentBlockDelta,
    ContentBlockStart,
    ContentBlockStop,
    Ending,
    InputJsonDelta,
    Message,
    MessageDelta,
    MessageStart,
    MessageStop,
    OutputTokensDetails,
    Ping,
    SignatureDelta,
    StopDetails,
    StopReason,
    StreamEvent,
    TextBlock,
    TextDelta,
    ThinkingBlock,
    ThinkingDelta,
    ToolUseBlock,
    Usage,
)
from codex_windows_ai.api.shared.endpoint import Event
from codex_windows_ai.api.shared.seal import ReasoningSeal
from codex_windows_ai.errors import ContentFilteredError, WindowsAiError
from codex_windows_ai.protocol import answer as protocol
from codex_windows_ai.protocol.answer import AnswerPart, CallBegun, CallEnded, CallPiece, ReasoningPiece, TextPiece
from codex_windows_ai.protocol.answered_by import answered_by
from codex_windows_ai.protocol.json_values import object_in
from codex_windows_ai.protocol.source import AnswerSource


class MessageWriter:
    """Writes one answer.

    `limit` is the most tokens that were asked for, `shows_thoughts` whether what the model thinks is told in words and
    not only sealed. Of an answer that is not wanted (`only_reads`) there is none but its end. `remarks` are what was
    asked for and is not done as asked; the answer says them under `windows_ai`.
    """

    def __init__(
        self,
        model: str,
        *,
        seal: ReasoningSeal,
        limit: int | None,
        shows_thoughts: bool = True,
        only_reads: bool = False,
        remarks: Mapping[str, Sequence[Any]] | None = None,
    ) -> None:
        self._seal, self._limit = seal, limit
        self._shows_thoughts, self._only_reads = shows_thoughts, only_reads
        self._remarks = remarks
        self._source: AnswerSource | None = None
        self._open: TextBlock | ThinkingBlock | None = None
        """The words or thoughts that are being written, which are in the message once they are whole."""
        self._thought = ""
        self._called = False
        self._begun = 0
        """Blocks of the stream so far; those that were cut off are no part of the message."""
        self._message = Message(
            id=f"msg_{uuid.uuid4().hex[:24]}",
            model=model,
            content=[],
            stop_reason=None,
            stop_sequence=None,
            usage=_usage(protocol.Usage(0, 0, 0)),
        )

    def answered_by(self, source: AnswerSource) -> None:
        """Says who answers, which is not known before the model is loaded."""
        self._source = source
        self._message.model = source.model
        self._message.windows_ai = answered_by(source, remarks=self._remarks)

    def begin(self) -> list[Event]:
        """The event that opens the answer."""
        return [_event(MessageStart(message=self._message))]

    def heartbeat(self) -> list[Event]:
        """Says that the answer is still being worked on."""
        return [_event(Ping())]

    def add(self, delta: protocol.Delta) -> list[Event]:
        """What a piece of the answer brings; the last piece has its end too."""
        parts = () if self._only_reads else delta.pieces
        events = [event for part in parts for event in self._add_part(part)]
        if delta.finish_reason is not None:
            events += self._end(delta)
        return [_event(event) for event in events]

    def fail(self, error: WindowsAiError) -> list[Event]:
        """The error in the place of the rest; a filter that steps in ends the answer as a refusal."""
        if not isinstance(error, ContentFilteredError):
            return [("error", anthropic_error(error))]
        self._message.stop_reason = "refusal"
        self._message.stop_details = StopDetails(explanation=error.message)
        return [_event(event) for event in [*self._close(), *self._ended()]]

    def whole(self) -> str:
        """The message."""
        return self._message.model_dump_json()

    def _add_part(self, part: AnswerPart) -> list[StreamEvent]:
        match part:
            case TextPiece(text):
                opened = [] if isinstance(self._open, TextBlock) else self._open_block(TextBlock(text=""))
                self._text_block.text += text
                return [*opened, self._delta(TextDelta(text=text))]
            case ReasoningPiece(text):
                empty = ThinkingBlock(thinking="", signature="")
                opened = [] if isinstance(self._open, ThinkingBlock) else self._open_block(empty)
                self._thought += text
                return [*opened, self._delta(ThinkingDelta(thinking=text))] if self._shows_thoughts else opened
            case CallBegun(tool):
                named = part.call_id or f"toolu_{uuid.uuid4().hex[:24]}"
                self._call = ToolUseBlock(id=named, name=tool.qualified, input={})
                return [*self._close(), self._start(self._call)]
            case CallPiece(text):
                return [self._delta(InputJsonDelta(partial_json=text))]
            case CallEnded(_, body, complete):
                if complete:
                    self._call.input = object_in(body) or {}
                    self._message.content.append(self._call)
                    self._called = True
                return [ContentBlockStop(index=self._begun - 1)]

    def _open_block(self, block: TextBlock | ThinkingBlock) -> list[StreamEvent]:
        closed = self._close()
        self._open = block
        return [*closed, self._start(block)]

    @property
    def _text_block(self) -> TextBlock:
        assert isinstance(self._open, TextBlock)  # noqa: S101  # it was opened before
        return self._open

    def _start(self, block: ContentBlock) -> StreamEvent:
        self._begun += 1
        return ContentBlockStart(index=self._begun - 1, content_block=block.model_copy())

    def _delta(self, delta: BlockDelta) -> StreamEvent:
        return ContentBlockDelta(index=self._begun - 1, delta=delta)

    def _close(self) -> list[StreamEvent]:
        """Closes the words or thoughts that are open, if there are any."""
        block, self._open = self._open, None
        if block is None:
            return []
        self._message.content.append(block)
        events: list[StreamEvent] = [ContentBlockStop(index=self._begun - 1)]
        if isinstance(block, ThinkingBlock):
            block.thinking = self._thought if self._shows_thoughts else ""
            block.signature = self._seal.seal(self._thought)
            self._thought = ""
            events.insert(0, self._delta(SignatureDelta(signature=block.signature)))
        return events

    def _end(self, delta: protocol.Delta) -> list[StreamEvent]:
        wordless = not self._only_reads and all(isinstance(block, ThinkingBlock) for block in self._message.content)
        # Clients take the first block's text without looking whether there is one.
        opened = self._open_block(TextBlock(text="")) if wordless and not isinstance(self._open, TextBlock) else []
        closed = self._close()
        usage = delta.usage or protocol.Usage(0, 0, 0, estimated=True)
        self._message.usage = _usage(usage)
        self._message.stop_reason = self._stop_reason(delta, usage)
        self._message.stop_sequence = delta.stop_sequence
        if self._source is not None:
            said = answered_by(self._source, delta, remarks=self._remarks)
            self._message.windows_ai = said | ({"cancelled": True} if delta.finish_reason == "cancelled" else {})
        return [*opened, *closed, *self._ended()]

    def _ended(self) -> list[StreamEvent]:
        message = self._message
        assert message.stop_reason is not None  # noqa: S101  # it has ended
        ending = Ending(
            stop_reason=message.stop_reason, stop_sequence=message.stop_sequence, stop_details=message.stop_details
        )
        return [MessageDelta(delta=ending, usage=message.usage, windows_ai=message.windows_ai), MessageStop()]

    def _stop_reason(self, delta: protocol.Delta, usage: protocol.Usage) -> StopReason:
        """Why the answer ended; one that is cut off before its limit filled the window, or was cancelled."""
        if delta.finish_reason == "length" and self._limit is not None and usage.output_tokens < self._limit:
            return "model_context_window_exceeded"
        if delta.finish_reason != "stop" or self._only_reads:
            return "max_tokens"
        if delta.stop_sequence is not None:
            return "stop_sequence"
        return "tool_use" if self._called else "end_turn"


def _usage(usage: protocol.Usage) -> Usage:
    return Usage(
        input_tokens=usage.input_tokens - usage.cached_tokens,
        cache_creation_input_tokens=0,
        cache_read_input_tokens=usage.cached_tokens,
        output_tokens=usage.output_tokens,
        output_tokens_details=OutputTokensDetails(thinking_tokens=usage.reasoning_tokens),
    )


def _event(event: StreamEvent) -> Event:
    return event.type, event.model_dump_json()
