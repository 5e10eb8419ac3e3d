"""An answer of the engine as a chat completion, whole or piece by piece."""

from __future__ import annotations

import hashlib
import time
import uuid
from collections.abc import AsyncGenerator, AsyncIterable, Sequence
from dataclasses import dataclass
from typing import Any

from codex_windows_ai.api.openai.chat.logprobs import ContentLogprobs
from codex_windows_ai.api.openai.chat.response import (
    AnswerMessage,
    ChatCompletion,
    ChatCompletionChunk,
    Choice,
    ChoiceLogprobs,
    ChunkChoice,
    CompletionUsage,
    ContentLogprob,
    CustomToolCallBody,
    Delta,
    FinishReason,
    FunctionCallBody,
    PromptTokensDetails,
    ToolCall,
    ToolCallDelta,
)
from codex_windows_ai.chat.parser import AnswerPart, CallBegun, CallEnded, CallPiece, TextPiece, ToolParser
from codex_windows_ai.chat.tools import Tool
from codex_windows_ai.errors import EngineClosedError
from codex_windows_ai.protocol import answer as engine
from codex_windows_ai.protocol.answered_by import answered_by
from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.version import release


@dataclass(frozen=True, slots=True)
class Piece:
    """One part of an answer, with the log-probabilities of the tokens it is made of."""

    part: AnswerPart
    logprobs: list[ContentLogprob] | None


class ChatAnswer:
    """Reads one answer; `usage`, `timings` and `finish_reason` are set once it was read to its end."""

    usage: engine.Usage
    timings: engine.Timings
    finish_reason: FinishReason

    def __init__(self, parser: ToolParser, *, logprobs: bool) -> None:
        self._parser = parser
        self._logprobs = ContentLogprobs() if logprobs else None

    async def pieces(self, deltas: AsyncIterable[engine.Delta]) -> AsyncGenerator[Piece]:
        """The parts of the answer as they come.

        Raises EngineError: it broke off.
        """
        called = False
        async for delta in deltas:
            if self._logprobs is not None:
                self._logprobs.push(delta.tokens)
            parts = self._parser.push(delta.text)
            if delta.finish_reason is not None:
                self._finish(delta)
                parts += self._parser.finish(cut=self.finish_reason == "length")
            for part in parts:
                called = called or isinstance(part, CallEnded)
                yield self._piece(part)
        if called and self.finish_reason == "stop":
            self.finish_reason = "tool_calls"

    def _piece(self, part: AnswerPart) -> Piece:
        if self._logprobs is None or not isinstance(part, TextPiece):
            return Piece(part, None)
        return Piece(part, self._logprobs.pop(part.text))

    def _finish(self, last: engine.Delta) -> None:
        if last.finish_reason in (None, "cancelled") or last.usage is None or last.timings is None:
            raise EngineClosedError("The answer was ended before it was complete.")
        self.usage, self.timings, self.finish_reason = last.usage, last.timings, last.finish_reason


class Completion:
    """Writes the answer to one request, in either form; the source is named before the first delta is read.

    `loosened` are the tools whose schemas are not wholly kept to; the answer says it under `windows_ai`.
    """

    def __init__(self, answer: ChatAnswer, model: str, *, loosened: Sequence[dict[str, str]] = ()) -> None:
        self._answer = answer
        self._loosened = {"loosened": list(loosened)} if loosened else {}
        self._source: AnswerSource | None = None
        self._identity: dict[str, Any] = {
            "id": f"chatcmpl-{uuid.uuid4().hex}",
            "created": int(time.time()),
            "model": model,
        }

    def answered_by(self, source: AnswerSource) -> None:
        """Says who answers, which is not known before the model is loaded."""
        self._source = source
        self._identity["model"] = source.model
        self._identity["system_fingerprint"] = _fingerprint(source)

    async def whole(self, deltas: AsyncIterable[engine.Delta]) -> ChatCompletion:
        """The answer in one piece."""
        texts: list[str] = []
        calls: list[ToolCall] = []
        logprobs: list[ContentLogprob] = []
        async for piece in self._answer.pieces(deltas):
            match piece.part:
                case TextPiece(text):
                    texts.append(text)
                case CallEnded(tool, body):
                    calls.append(ToolCall(id=_call_id(), type=tool.kind, **_called(tool, body)))
                case CallBegun() | CallPiece():
                    pass
            logprobs += piece.logprobs or ()
        message = AnswerMessage(role="assistant", content="".join(texts) if texts or not calls else None, refusal=None)
        if calls:
            message.tool_calls = calls
        choice = Choice(
            index=0,
            message=message,
            logprobs=ChoiceLogprobs(content=logprobs, refusal=None) if logprobs else None,
            finish_reason=self._answer.finish_reason,
        )
        return ChatCompletion(
            object="chat.completion",
            choices=[choice],
            usage=self._usage(),
            windows_ai=self._described(),
            **self._identity,
        )

    async def chunks(
        self, deltas: AsyncIterable[engine.Delta], *, include_usage: bool
    ) -> AsyncGenerator[ChatCompletionChunk]:
        """The answer piece by piece; the first comes at once, before anything is computed or even loaded."""
        calls: list[str] = []
        yield self._chunk(Delta(role="assistant", content="", refusal=None), include_usage=include_usage)
        async for piece in self._answer.pieces(deltas):
            delta = _delta(piece.part, calls)
            if delta is not None:
                yield self._chunk(delta, logprobs=piece.logprobs, include_usage=include_usage)
        last = self._chunk(Delta(), include_usage=include_usage, finish_reason=self._answer.finish_reason)
        last.windows_ai = self._described()
        yield last
        if include_usage:
            figures = self._chunk(None, include_usage=True)
            figures.usage, figures.windows_ai = self._usage(), self._described()
            yield figures

    def heartbeat(self, *, include_usage: bool) -> ChatCompletionChunk:
        """A chunk that says nothing."""
        return self._chunk(Delta(), include_usage=include_usage)

    def _chunk(
        self,
        delta: Delta | None,
        *,
        include_usage: bool,
        logprobs: list[ContentLogprob] | None = None,
        finish_reason: FinishReason | None = None,
    ) -> ChatCompletionChunk:
        described = None if logprobs is None else ChoiceLogprobs(content=logprobs, refusal=None)
        choice = delta and ChunkChoice(index=0, delta=delta, logprobs=described, finish_reason=finish_reason)
        # A stream with usage has the key in every chunk.
        usage: dict[str, Any] = {"usage": None} if include_usage else {}
        choices = [choice] if choice else []
        return ChatCompletionChunk(object="chat.completion.chunk", choices=choices, **self._identity, **usage)

    def _described(self) -> dict[str, Any] | None:
        if self._source is None:
            return None
        return {**answered_by(self._source, self._answer.timings, self._answer.usage), **self._loosened}

    def _usage(self) -> CompletionUsage:
        usage = self._answer.usage
        return CompletionUsage(
            prompt_tokens=usage.input_tokens,
            completion_tokens=usage.output_tokens,
            total_tokens=usage.input_tokens + usage.output_tokens,
            prompt_tokens_details=PromptTokensDetails(cached_tokens=usage.cached_tokens),
        )


def _delta(part: AnswerPart, calls: list[str]) -> Delta | None:
    """What a part adds; `calls` has the kinds of the calls begun so far. The end of a call adds nothing."""
    match part:
        case TextPiece(text):
            return Delta(content=text)
        case CallBegun(tool):
            calls.append(tool.kind)
            call = ToolCallDelta(index=len(calls) - 1, id=_call_id(), type=tool.kind, **_called(tool, ""))
            return Delta(tool_calls=[call])
        case CallPiece(text):
            call = ToolCallDelta(index=len(calls) - 1)
            if calls[-1] == "function":
                call.function = FunctionCallBody(arguments=text)
            else:
                call.custom = CustomToolCallBody(input=text)
            return Delta(tool_calls=[call])
        case CallEnded():
            return None


def _called(tool: Tool, body: str) -> dict[str, Any]:
    if tool.kind == "function":
        return {"function": FunctionCallBody(name=tool.qualified_name, arguments=body)}
    return {"custom": CustomToolCallBody(name=tool.qualified_name, input=body)}


def _call_id() -> str:
    return f"call_{uuid.uuid4().hex[:24]}"


def _fingerprint(source: AnswerSource) -> str:
    """The same for as long as the same program answers with the same model in the same way."""
    parts = (release(), source.provider, source.device, source.execution_provider, source.model)
    return f"fp_{hashlib.sha256('|'.join(parts).encode()).hexdigest()[:12]}"
