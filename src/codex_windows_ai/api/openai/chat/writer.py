"""An answer as a chat completion, whole or piece by piece.

Format: https://platform.openai.com/docs/api-reference/chat/streaming.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from codex_windows_ai.api.openai.chat.response import (
    AnswerMessage,
    ChatCompletion,
    ChatCompletionChunk,
    Choice,
    ChoiceLogprobs,
    ChunkChoice,
    ContentLogprob,
    CustomToolCallBody,
    Delta,
    FinishReason,
    FunctionCallBody,
    ToolCall,
    ToolCallDelta,
)
from codex_windows_ai.api.openai.identity import Identity
from codex_windows_ai.api.openai.usage import CompletionUsage, usage_of
from codex_windows_ai.api.shared.endpoint import Event
from codex_windows_ai.api.shared.logprobs import ContentLogprobs
from codex_windows_ai.errors import EngineError, WindowsAiError
from codex_windows_ai.protocol import answer as protocol
from codex_windows_ai.protocol.answer import (
    AnswerPart,
    CallBegun,
    CallEnded,
    CallPiece,
    ReasoningPiece,
    TextPiece,
)
from codex_windows_ai.protocol.answered_by import answered_by
from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.protocol.tools import ToolName
from codex_windows_ai.protocol.wire_errors import error_body


class CompletionWriter:
    """Writes one answer, as chunks where it is streamed; the first comes before anything is computed or even loaded.

    `remarks` are what was asked for and is not done as asked; the answer says them under `windows_ai`.
    """

    def __init__(
        self, model: str, *, stream: bool, include_usage: bool, logprobs: bool, remarks: Mapping[str, Sequence[Any]]
    ) -> None:
        self._stream = stream
        self._include_usage = include_usage
        self._logprobs = ContentLogprobs() if logprobs else None
        self._remarks = remarks
        self._texts: list[str] = []
        self._thoughts: list[str] = []
        self._text_logprobs: list[ContentLogprob] = []
        self._begun: list[str] = []
        """The kinds of the calls begun so far."""
        self._calls: list[ToolCall] = []
        self._last: protocol.Delta | None = None
        self._identity = Identity("chatcmpl", model)

    def answered_by(self, source: AnswerSource) -> None:
        """Says who answers, which is not known before the model is loaded."""
        self._identity.answered_by(source)

    def begin(self) -> list[Event]:
        """A chunk that opens the answer."""
        return [self._chunk(Delta(role="assistant", content="", refusal=None))]

    def heartbeat(self) -> list[Event]:
        """A chunk that says nothing."""
        return [self._chunk(Delta())]

    def add(self, delta: protocol.Delta) -> list[Event]:
        """The chunks of a piece, and of the last one those that end the answer."""
        if self._logprobs is not None:
            self._logprobs.push(delta.tokens)
        events = [event for part in delta.pieces for event in self._add_part(part)]
        if delta.finish_reason is None:
            return events
        self._last = delta
        return [*events, *self._end()] if self._stream else []

    def fail(self, error: WindowsAiError) -> list[Event]:
        """The error in the place of the rest."""
        return [(None, error_body(error))]

    def whole(self) -> str:
        """The answer in one piece."""
        text = "".join(self._texts) if self._texts or not self._calls else None
        message = AnswerMessage(role="assistant", content=text, refusal=None)
        if self._thoughts:
            message.reasoning_content = "".join(self._thoughts)
        if self._calls:
            message.tool_calls = self._calls
        found = self._text_logprobs
        choice = Choice(
            index=0,
            message=message,
            logprobs=ChoiceLogprobs(content=found, refusal=None) if found else None,
            finish_reason=self._finish_reason,
        )
        completion = ChatCompletion(
            object="chat.completion",
            choices=[choice],
            usage=self._usage(),
            windows_ai=self._described(),
            **self._identity.fields,
        )
        return completion.model_dump_json(exclude_unset=True)

    def _add_part(self, part: AnswerPart) -> list[Event]:
        logprobs: list[ContentLogprob] | None = None
        match part:
            case TextPiece(text):
                self._texts.append(text)
                if self._logprobs is not None:
                    logprobs = [ContentLogprob.model_validate(token) for token in self._logprobs.pop(text)]
                    self._text_logprobs += logprobs
            case ReasoningPiece(text):
                self._thoughts.append(text)
            case CallEnded(tool, body):
                self._calls.append(ToolCall(id=part.call_id or _call_id(), type=tool.kind, **_called(tool, body)))
            case _:
                pass
        delta = _delta(part, self._begun) if self._stream else None
        return [] if delta is None else [self._chunk(delta, logprobs=logprobs)]

    def _end(self) -> list[Event]:
        """What ends the answer: why it ended and who gave it; its usage in a chunk of its own; and `[DONE]`."""
        events = [self._chunk(Delta(), finish_reason=self._finish_reason, windows_ai=self._described())]
        if self._include_usage:
            events.append(self._chunk(None, usage=self._usage(), windows_ai=self._described()))
        return [*events, (None, "[DONE]")]

    def _chunk(
        self,
        delta: Delta | None,
        *,
        logprobs: list[ContentLogprob] | None = None,
        finish_reason: FinishReason | None = None,
        **more: Any,
    ) -> Event:
        described = None if logprobs is None else ChoiceLogprobs(content=logprobs, refusal=None)
        choice = delta and ChunkChoice(index=0, delta=delta, logprobs=described, finish_reason=finish_reason)
        # A stream with usage has the key in every chunk.
        usage: dict[str, Any] = {"usage": None} if self._include_usage else {}
        chunk = ChatCompletionChunk(
            object="chat.completion.chunk",
            choices=[choice] if choice else [],
            **self._identity.fields,
            **usage | more,
        )
        return None, chunk.model_dump_json(exclude_unset=True)

    @property
    def _ended(self) -> protocol.Delta:
        if self._last is None:
            raise EngineError("The answer ended without its last piece.", hint="Ask again.")
        return self._last

    @property
    def _finish_reason(self) -> FinishReason:
        """An answer that was cancelled was cut off, which OpenAI's clients know as its length."""
        reason = self._ended.finish_reason
        if reason != "stop":
            return "length"
        return "tool_calls" if self._calls else "stop"

    def _described(self) -> dict[str, Any] | None:
        if self._identity.source is None:
            return None
        said = answered_by(self._identity.source, self._ended, remarks=self._remarks)
        return said | ({"cancelled": True} if self._ended.finish_reason == "cancelled" else {})

    def _usage(self) -> CompletionUsage:
        return usage_of([self._ended.usage] if self._ended.usage else [])


def _delta(part: AnswerPart, calls: list[str]) -> Delta | None:
    """What a part adds; `calls` has the kinds of the calls begun so far. The end of a call adds nothing."""
    match part:
        case TextPiece(text):
            return Delta(content=text)
        case CallBegun(tool):
            calls.append(tool.kind)
            named = part.call_id or _call_id()
            call = ToolCallDelta(index=len(calls) - 1, id=named, type=tool.kind, **_called(tool, ""))
            return Delta(tool_calls=[call])
        case CallPiece(text):
            call = ToolCallDelta(index=len(calls) - 1)
            if calls[-1] == "function":
                call.function = FunctionCallBody(arguments=text)
            else:
                call.custom = CustomToolCallBody(input=text)
            return Delta(tool_calls=[call])
        case ReasoningPiece(text):
            return Delta(reasoning_content=text)
        case CallEnded():
            return None


def _called(tool: ToolName, body: str) -> dict[str, Any]:
    if tool.kind == "function":
        return {"function": FunctionCallBody(name=tool.qualified, arguments=body)}
    return {"custom": CustomToolCallBody(name=tool.qualified, input=body)}


def _call_id() -> str:
    return f"call_{uuid.uuid4().hex[:24]}"
