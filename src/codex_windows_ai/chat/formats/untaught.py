"""A model without a chat template: it was not taught to talk, and goes on from raw prompts alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from codex_windows_ai.chat.beginning import Beginning, learn_beginning
from codex_windows_ai.chat.format import AnswerParser, ChatFormat, PreparedPrompt
from codex_windows_ai.chat.reasoning import ReasoningForm
from codex_windows_ai.chat.template import ChatTemplate
from codex_windows_ai.chat.template_files import missing_template, read_beginning
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.errors import NoChatTemplateError
from codex_windows_ai.protocol.grammar import Grammar
from codex_windows_ai.protocol.message import Message
from codex_windows_ai.protocol.request import GenerationRequest
from codex_windows_ai.protocol.tools import ToolSet

_REMARK = "The model has no chat template: it goes on from raw prompts (POST /v1/completions) and answers no chat."


class Untaught(ChatFormat):
    """Takes raw prompts; whatever else is asked is refused."""

    name = "none"

    def __init__(self, folder: Path, tokenizer: Tokenizer) -> None:
        self.tokenizer = tokenizer
        self.reasoning = ReasoningForm()
        name, adds = read_beginning(folder)
        self._beginning = learn_beginning(tokenizer, name, adds=adds)
        self._remark = f"{_REMARK} {missing_template(folder)}"

    @classmethod
    def suits(cls, template: ChatTemplate) -> bool:
        """It is for models that have none."""
        return False

    @property
    def beginning(self) -> Beginning:
        """What a prompt begins with."""
        return self._beginning

    @property
    def greeting(self) -> GenerationRequest:
        """A short request that every such model answers."""
        return GenerationRequest(prompt_text="Hi")

    @property
    def remarks(self) -> tuple[str, ...]:
        """That it answers no chat."""
        return (self._remark,)

    def _rendered(self, request: GenerationRequest) -> PreparedPrompt:
        _refuse()

    def render(
        self, messages: Sequence[Message], tools: ToolSet, options: Mapping[str, Any] | None = None
    ) -> list[int]:
        """Raises NoChatTemplateError."""
        _refuse()

    def grammar(self, tools: ToolSet, text: Grammar | None) -> Grammar | None:
        """Raises NoChatTemplateError: there are tools."""
        if tools.tools:
            _refuse()
        return text

    def parser(self, tools: ToolSet, *, text_is_constrained: bool) -> AnswerParser | None:
        """None: the answer is text."""
        return None


def _refuse() -> NoReturn:
    raise NoChatTemplateError(
        "This model has no chat template: it goes on from a text and answers no conversation.",
        hint="Send the text itself to `POST /v1/completions`, or use a model that was trained for chat (`-Instruct`).",
    )
