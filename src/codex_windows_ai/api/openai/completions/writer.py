"""Answers to raw prompts, whole or piece by piece.

Format: https://platform.openai.com/docs/api-reference/completions/object.
"""

from __future__ import annotations

import codecs
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from codex_windows_ai.api.openai.completions.response import Completion, TextChoice, TextLogprobs
from codex_windows_ai.api.openai.identity import Identity
from codex_windows_ai.api.openai.usage import CompletionUsage, usage_of
from codex_windows_ai.api.shared.endpoint import Event
from codex_windows_ai.api.shared.logprobs import ContentLogprobs
from codex_windows_ai.errors import WindowsAiError
from codex_windows_ai.protocol.answer import Delta, TextPiece
from codex_windows_ai.protocol.answered_by import answered_by
from codex_windows_ai.protocol.source import AnswerSource
from codex_windows_ai.protocol.wire_errors import error_body


class _Answer:
    """One answer as it is written; `echoed` is the prompt that it begins with."""

    def __init__(self, echoed: str, *, logprobs: bool) -> None:
        self.unsent = echoed
        self.text = ""
        self.last: Delta | None = None
        self.found = TextLogprobs(tokens=[], token_logprobs=[], top_logprobs=[], text_offset=[])
        self._tokens = ContentLogprobs() if logprobs else None
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._offset = 0

    def add(self, delta: Delta) -> tuple[str, TextLogprobs | None]:
        """More text, and its tokens where they are wanted."""
        text = "".join(piece.text for piece in delta.pieces if isinstance(piece, TextPiece))
        tokens = None
        if self._tokens is not None:
            self._tokens.push(delta.tokens)
            tokens = self._described(self._tokens.pop(text))
        text, self.unsent = self.unsent + text, ""
        self.text += text
        self.last = delta if delta.finish_reason is not None else None
        return text, tokens

    @property
    def finish_reason(self) -> Literal["stop", "length"] | None:
        """Why it ended; None as long as it has not."""
        if self.last is None:
            return None
        return "stop" if self.last.finish_reason == "stop" else "length"

    def choice(self, index: int) -> TextChoice:
        """All of it."""
        logprobs = None if self._tokens is None else self.found
        return TextChoice(index=index, text=self.text, logprobs=logprobs, finish_reason=self.finish_reason)

    def _described(self, tokens: Sequence[Mapping[str, Any]]) -> TextLogprobs:
        more = TextLogprobs(tokens=[], token_logprobs=[], top_logprobs=[], text_offset=[])
        for token in tokens:
            more.tokens.append(token["token"])
            more.token_logprobs.append(token["logprob"])
            more.top_logprobs.append({other["token"]: other["logprob"] for other in token["top_logprobs"]})
            more.text_offset.append(self._offset)
            self._offset += len(self._decoder.decode(bytes(token["bytes"])))
        for name in TextLogprobs.model_fields:
            getattr(self.found, name).extend(getattr(more, name))
        return more


class CompletionsWriter:
    """Writes all answers of a request: pieces come with the number of theirs, and `[DONE]` behind the last.

    `echoed` are the texts that each begins with. `remarks` are what was asked for and is not done as asked.
    """

    def __init__(
        self,
        model: str,
        echoed: Sequence[str],
        *,
        stream: bool,
        include_usage: bool,
        logprobs: bool,
        remarks: Mapping[str, Sequence[Any]],
    ) -> None:
        self._stream, self._include_usage = stream, include_usage
        self._remarks = remarks
        self._answers = [_Answer(text, logprobs=logprobs) for text in echoed]
        self._identity = Identity("cmpl", model)

    def answered_by(self, source: AnswerSource) -> None:
        """Says who answers, which is not known before the model is loaded."""
        self._identity.answered_by(source)

    def begin(self) -> list[Event]:
        """A chunk that says nothing."""
        return self.heartbeat()

    def heartbeat(self) -> list[Event]:
        """A chunk that says nothing."""
        return [self._chunk(TextChoice(index=0, text="", logprobs=None, finish_reason=None))]

    def add(self, piece: tuple[int, Delta]) -> list[Event]:
        """What a piece brings, and of the very last one those that end all."""
        index, delta = piece
        answer = self._answers[index]
        text, logprobs = answer.add(delta)
        ended = all(each.last is not None for each in self._answers)
        if not self._stream or not (text or answer.last):
            return []
        choice = TextChoice(index=index, text=text, logprobs=logprobs, finish_reason=answer.finish_reason)
        said = {"windows_ai": self._described(answer.last)} if answer.last else {}
        return [self._chunk(choice, **said), *(self._end() if ended else [])]

    def fail(self, error: WindowsAiError) -> list[Event]:
        """The error in the place of the rest."""
        return [(None, error_body(error))]

    def whole(self) -> str:
        """All answers."""
        completion = Completion(
            choices=[answer.choice(index) for index, answer in enumerate(self._answers)],
            usage=self._usage(),
            windows_ai=self._described(self._answers[-1].last),
            **self._identity.fields,
        )
        return completion.model_dump_json()

    def _end(self) -> list[Event]:
        usage = [self._chunk(None, usage=self._usage())] if self._include_usage else []
        return [*usage, (None, "[DONE]")]

    def _chunk(self, choice: TextChoice | None, **more: Any) -> Event:
        return None, Completion(choices=[choice] if choice else [], **self._identity.fields, **more).model_dump_json()

    def _described(self, last: Delta | None) -> dict[str, Any] | None:
        if self._identity.source is None or last is None:
            return None
        said = answered_by(self._identity.source, last, remarks=self._remarks)
        return said | ({"cancelled": True} if last.finish_reason == "cancelled" else {})

    def _usage(self) -> CompletionUsage:
        """What all answers took together."""
        return usage_of([answer.last.usage for answer in self._answers if answer.last and answer.last.usage])
