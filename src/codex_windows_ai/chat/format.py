"""A chat format: how one family of models is spoken to, and how its answers are read.

A conversation is handed down once, as a `GenerationRequest`; `ChatFormat.prepare` makes of it what the engine takes
(token ids and a grammar) and what reads the answer back into parts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

from codex_windows_ai.chat.beginning import Beginning
from codex_windows_ai.chat.conversation import identifier
from codex_windows_ai.chat.grammar import check_answer
from codex_windows_ai.chat.raw_prompt import FILLED, gap_tokens, raw_tokens
from codex_windows_ai.chat.reasoning import learn_reasoning
from codex_windows_ai.chat.template import ChatTemplate
from codex_windows_ai.engine.preamble import Preamble
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.errors import InvalidRequestError
from codex_windows_ai.protocol.answer import AnswerPart, Delta, TextPiece
from codex_windows_ai.protocol.grammar import Grammar
from codex_windows_ai.protocol.message import Call, Message, Result, Text
from codex_windows_ai.protocol.request import GenerationRequest
from codex_windows_ai.protocol.tools import ToolSet


class AnswerParser(Protocol):
    """Finds the parts of one answer while it is being written."""

    known_ids: set[str]
    """Ids of the conversation's calls."""

    def push(self, text: str) -> list[AnswerPart]:
        """What this piece of the answer completes."""
        ...

    def finish(self, *, cut: bool = False) -> list[AnswerPart]:
        """What was held back; `cut` says that the answer was cut off, and did not end by itself."""
        ...


@dataclass(frozen=True, slots=True)
class PreparedPrompt:
    """What is asked of the engine: token ids, and what the answer must match. `parser` reads the one answer.

    `preamble` is the form of what the model may think before, which the engine tells from the answer. Without a
    `parser` the rest is text and nothing else. `left_out` says in words what of the request is not done as asked.
    """

    tokens: tuple[int, ...]
    grammar: Grammar | None = None
    parser: AnswerParser | None = None
    left_out: tuple[str, ...] = ()
    preamble: Preamble | None = None
    stop: tuple[str, ...] = ()
    """Texts that end the answer besides those that are asked for."""

    def read(self, delta: Delta) -> Delta:
        """A piece of the engine's answer as parts."""
        if self.parser is None:
            return delta
        parts: list[AnswerPart] = []
        for piece in delta.pieces:
            parts += self.parser.push(piece.text) if isinstance(piece, TextPiece) else [piece]
        if delta.finish_reason is not None:
            parts += self.parser.finish(cut=delta.finish_reason != "stop")
        return delta.holding(parts)


class ChatFormat(ABC):
    """How one family talks, with the template and the tokenizer of one model."""

    name: ClassVar[str]
    reads_reasoning: ClassVar[bool] = False
    """Its parser finds what the model thinks in the midst of an answer, too, and its turns have places for that."""

    def __init__(self, template: ChatTemplate, tokenizer: Tokenizer) -> None:
        self.template = template
        self.tokenizer = tokenizer
        self.reasoning = learn_reasoning(
            template.try_write, template.variables, template.literals, tokenizer.special_ids
        )
        """How the template deals with what the model thinks."""

    @property
    def beginning(self) -> Beginning:
        """What a prompt begins with."""
        return self.template.beginning

    @property
    def greeting(self) -> GenerationRequest:
        """A short request that every model answers which talks so."""
        return GenerationRequest((Message("user", "Hi"),))

    @property
    def remarks(self) -> tuple[str, ...]:
        """What of a conversation, of the tokenizer or of tools is not as it should be, in words."""
        return self.template.remarks

    @classmethod
    @abstractmethod
    def suits(cls, template: ChatTemplate) -> bool:
        """Whether a model with this chat template was trained to talk so."""

    @abstractmethod
    def render(
        self, messages: Sequence[Message], tools: ToolSet, options: Mapping[str, Any] | None = None
    ) -> list[int]:
        """Token ids of the conversation, up to where the assistant's answer begins; `options` are the template's.

        Raises InvalidRequestError: the model's template refuses these messages.
        """

    def render_continued(
        self, messages: Sequence[Message], tools: ToolSet, options: Mapping[str, Any] | None = None
    ) -> list[int] | None:
        """Token ids up to the end of what the assistant says in the last message, which the answer goes on from.

        None where this format, or the model's template, cannot do that. Raises as `render`.
        """
        return None

    def with_preamble(self, tokens: Sequence[int], most_tokens: int | None) -> tuple[list[int], Preamble | None]:
        """A prompt, and the form of what the model may think behind it, in so many tokens, before it answers."""
        return self.reasoning.prepared(tokens, self.tokenizer, most_tokens)

    @abstractmethod
    def grammar(self, tools: ToolSet, text: Grammar | None) -> Grammar | None:
        """What an answer must match; `text` is what its text must match where it does not call. None: anything.

        Raises InvalidGrammarError: what a tool takes cannot be followed.
        """

    @abstractmethod
    def parser(self, tools: ToolSet, *, text_is_constrained: bool) -> AnswerParser | None:
        """What reads one answer; None where it can be nothing but text."""

    def prepare(self, request: GenerationRequest) -> PreparedPrompt:
        """What the engine is asked, and how its answer is read.

        Raises InvalidRequestError, InvalidGrammarError. ContextLengthExceededError: the messages alone fill the window.
        """
        if request.prompt_text is not None or (request.prompt_token_ids is not None and not request.tools.tools):
            return self._raw(request)
        if request.prompt_token_ids is not None:
            prompt = PreparedPrompt(request.prompt_token_ids)
        elif any(_says_something(message) for message in request.messages):
            prompt = self._rendered(request)
        else:
            prompt = PreparedPrompt(())
        _require_words(prompt)
        if request.tools.tools:
            check_answer(request.tools, request.grammar)
        parser = self.parser(request.tools, text_is_constrained=request.grammar is not None)
        if parser is not None:
            calls = (part for message in request.messages for part in message.parts if isinstance(part, Call))
            parser.known_ids.update(identifier(call.call_id) for call in calls)
        return replace(prompt, grammar=self.grammar(request.tools, request.grammar), parser=parser)

    def _raw(self, request: GenerationRequest) -> PreparedPrompt:
        """The caller's own prompt, and the answer as it comes."""
        tokens, stop = request.prompt_token_ids or (), tuple[str, ...]()
        if request.prompt_text is not None and request.suffix:
            tokens = gap_tokens(request.prompt_text, request.suffix, self.tokenizer, self.beginning)
            stop = FILLED
        elif request.prompt_text is not None:
            tokens = raw_tokens(request.prompt_text, self.tokenizer, self.beginning)
        return _require_words(PreparedPrompt(tuple(tokens), request.grammar, stop=stop))

    def _rendered(self, request: GenerationRequest) -> PreparedPrompt:
        """The prompt, which ends in the assistant's own words where they come last; else why not."""
        messages, tools = request.messages, request.tools
        thinking = self.reasoning.asked(request.template_options, request.reasoning_budget)
        options = thinking.options
        unknown = tuple(name for name in options if name not in self.template.variables)
        left_out = (*thinking.left_out, *unknown)
        if not self.reads_reasoning:
            left_out += tuple(self.reasoning.dropped(messages))
        # Templates may leave out what an assistant thought, and the space around a text, but no words of others.
        self.tokenizer.check_length(*(each.text.strip() for each in messages if each.role != "assistant"))
        last = messages[-1]
        if last.role == "assistant" and last.text.strip():
            reason = _why_not_continued(last, request.grammar)
            continued = None if reason else self.render_continued(messages, tools, options)
            if continued is not None:
                return PreparedPrompt(tuple(continued), left_out=left_out)
            reason = reason or "the model's chat template does not write it as it is"
            left_out = (
                f"messages: the assistant's last one is answered in a new turn and not continued, since {reason}",
                *left_out,
            )
        rendered = self.render(messages, tools, options)
        tokens, preamble = self.with_preamble(rendered, thinking.most_tokens)
        return PreparedPrompt(tuple(tokens), left_out=left_out, preamble=preamble)


def _require_words(prompt: PreparedPrompt) -> PreparedPrompt:
    if not prompt.tokens:
        raise InvalidRequestError("The prompt is empty.", hint="Say what you want answered.")
    return prompt


def _why_not_continued(message: Message, grammar: Grammar | None) -> str:
    if any(isinstance(part, Call) for part in message.parts):
        return "it calls a tool"
    return "the whole answer must match a schema or grammar" if grammar is not None else ""


def _says_something(message: Message) -> bool:
    return any(part.text.strip() if isinstance(part, Text | Result) else True for part in message.parts)
