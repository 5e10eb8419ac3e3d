"""A runtime that says what a test wants, and is the product's own in everything else.

The models that tests can run are too small to choose a tool. So a grammar that matches one text only takes the place
of their choice: the real engine still reads the prompt, generates token by token, caches and counts, and everything
above it is the real HTTP stack. A text that the request's own grammar would not have let through is an error.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from llguidance import LLTokenizer

from codex_windows_ai.chat.format import ChatFormat, PreparedPrompt
from codex_windows_ai.chat.formats.hermes import call_form
from codex_windows_ai.engine.generation import Generation
from codex_windows_ai.engine.sampling.grammar import start_matcher
from codex_windows_ai.errors import InvalidGrammarError, WindowsAiError
from codex_windows_ai.protocol.request import GenerationRequest, Grammar
from codex_windows_ai.settings import Settings
from codex_windows_ai.windows_ai.runtime import WindowsAiRuntime

Answer = str | WindowsAiError | Callable[[GenerationRequest], str]


def function_call(name: str, **arguments: object) -> str:
    """A call of a function as the model writes it; `name` has its namespace in front."""
    return call_form("function", name).write(json.dumps(arguments))


def custom_call(name: str, text: str) -> str:
    """A call of a tool that takes text."""
    return call_form("custom", name).write(text)


class Script:
    """What is answered, in this order; then, or to a request for a title, `otherwise`."""

    def __init__(self) -> None:
        self._answers: list[Answer] = []
        self._lock = threading.Lock()
        self.otherwise: Answer = "Done."
        self.requests: list[GenerationRequest] = []

    def begin(self, answers: Sequence[Answer] = (), *, otherwise: Answer = "Done.") -> None:
        """Starts anew."""
        with self._lock:
            self._answers, self.otherwise, self.requests = list(answers), otherwise, []

    def next(self, request: GenerationRequest) -> str:
        """The answer to this request. Raises it where it is an error."""
        with self._lock:
            self.requests.append(request)
            answer = self._answers.pop(0) if self._answers else self.otherwise
        if isinstance(answer, WindowsAiError):
            raise answer
        return answer if isinstance(answer, str) else answer(request)


class ScriptedRuntime(WindowsAiRuntime):
    """The runtime, its model's choices made by a script."""

    def __init__(self, settings: Settings, *, script: Script, **others: Any) -> None:
        super().__init__(settings, **others)
        self._script = script
        self._choosing = threading.Lock()

    def stream(self, request: GenerationRequest) -> Generation:
        text = self._script.next(request)
        with self._choosing:
            real = self.engine_provider.format
            self.engine_provider.format = _Choosing(real, text)  # type: ignore[assignment]
            try:
                return super().stream(request)
            finally:
                self.engine_provider.format = real


class _Choosing:
    """The model's own format, but for what the answer must match: one text."""

    def __init__(self, real: ChatFormat, text: str) -> None:
        self._real = real
        self._text = text

    def prepare(self, request: GenerationRequest) -> PreparedPrompt:
        prompt = self._real.prepare(request)
        if prompt.grammar:
            require_match(prompt.grammar, self._text)
        return replace(prompt, grammar=Grammar("lark", f"start: {json.dumps(self._text)}"))


def require_match(grammar: Grammar, text: str) -> None:
    """Raises InvalidGrammarError for a text that the grammar does not let through.

    It is a request error on purpose: Codex shows those at once, and tries a fault of the host thirty times.
    """
    matcher = start_matcher(LLTokenizer("byte"), grammar)
    data = text.encode()
    accepted = matcher.try_consume_tokens(list(data))
    if accepted < len(data) or not matcher.is_accepting():
        raise InvalidGrammarError(f"The script wants {text!r}, which the grammar ends after {data[:accepted]!r}.")
