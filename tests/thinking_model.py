"""A tiny model with a thinking model's template and tokens, which says what a test wants."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from codex_windows_ai.engine.core import EngineCore
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.engine.sequence import Deliver, Sequence
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.models.folder import ModelFolder
from codex_windows_ai.protocol.request import GenerationRequest
from codex_windows_ai.settings import Settings
from codex_windows_ai.windows_ai.answer import Answer
from codex_windows_ai.windows_ai.runtime import WindowsAiRuntime
from tests.engine.tiny_model import make_tiny_model

TOKENS = ("<think>", "</think>", "<tool_call>", "</tool_call>")

_TURNS = """
{%- if tools %}<|im_start|>system
Call tools as <tool_call>JSON</tool_call>:{% for tool in tools %}
{{ tool | tojson }}{% endfor %}<|im_end|>
{% endif %}
{%- set state = namespace(asked=-1) %}
{%- for message in messages %}{% if message.role == 'user' and '<tool_response>' not in message.content %}
{%- set state.asked = loop.index0 %}{% endif %}{% endfor %}
{%- for message in messages %}
{%- if message.role == 'tool' %}<|im_start|>user
<tool_response>
{{ message.content }}
</tool_response><|im_end|>
{% elif message.role == 'assistant' %}<|im_start|>assistant
{% if message.reasoning_content and (loop.index0 > state.asked or keep) %}<think>
{{ message.reasoning_content.strip('\\n') }}
</think>

{% endif %}{{ message.content.lstrip('\\n') }}<|im_end|>
{% else %}<|im_start|>{{ message.role }}
{{ message.content }}<|im_end|>
{% endif %}{% endfor %}
{%- if add_generation_prompt %}<|im_start|>assistant
"""

HYBRID = (
    _TURNS + "{% if enable_thinking is defined and not enable_thinking %}<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
"""As Qwen3's: the model opens its thinking by itself, can be switched off, and forgets when the user speaks again."""

OPENING = _TURNS + "<think>\n{% endif %}"
"""As Qwen3-Thinking's: thinking is opened in the prompt."""

FORGETFUL = (
    "{% for message in messages %}<|im_start|>{{ message.role }}\n"
    "{{ message.content.split('</think>')[-1] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}"
)
"""As DeepSeek-R1's: it never writes what was thought."""


def make_thinking_model(
    folder: Path, template: str = HYBRID, context: int = 4096, tokens: tuple[str, ...] = TOKENS
) -> ModelFolder:
    """Writes and converts it; `tokens` are those of its vocabulary besides letters."""
    return make_tiny_model(folder, context, template=template, more=tokens)


class ScriptedSampler:
    """Chooses the tokens of a script, each of which the grammar must allow; what is forced meanwhile may be its own."""

    def __init__(self, tokens: list[int]) -> None:
        self._tokens = deque(tokens)

    def sample(self, logits: object, allowed: npt.NDArray[np.bool_] | None = None) -> int:
        token = self._tokens.popleft()
        assert allowed is None or allowed[token], f"the grammar does not let the script go on: {token}"
        return token

    def skip_draw(self, token: int) -> None:
        if self._tokens and self._tokens[0] == token:
            self._tokens.popleft()


def tokens_of(text: str, tokenizer: Tokenizer, end: str = "<|im_end|>") -> list[int]:
    """An answer as the model writes it."""
    return tokenizer.encode_prompt(text + end)


def follow(sequence: Sequence, tokens: list[int]) -> None:
    """Has a sequence say these tokens; what it said already, since any answer begins so, must be their beginning."""
    said = sequence.tokens[sequence.prompt_length :]
    assert tokens[: len(said)] == said
    sequence._sampler = ScriptedSampler(tokens[len(said) :])  # type: ignore[assignment]


@contextmanager
def saying(core: EngineCore, text: str) -> Generator[None]:
    """Requests that are prepared meanwhile are answered with this text."""
    real = core.prepare

    def prepare(request: EngineRequest, deliver: Deliver) -> Sequence:
        sequence = real(request, deliver)
        follow(sequence, tokens_of(text, core.tokenizer))
        return sequence

    core.prepare = prepare  # type: ignore[method-assign]
    try:
        yield
    finally:
        core.prepare = real  # type: ignore[method-assign]


class Script:
    """What is answered next, and what was asked."""

    def __init__(self) -> None:
        self.answers: deque[str | Callable[[GenerationRequest], str]] = deque()
        self.requests: list[GenerationRequest] = []


class ScriptedRuntime(WindowsAiRuntime):
    """The product's runtime; the engine's choices are a script's, all else is real."""

    def __init__(self, settings: Settings, *, script: Script, **others: Any) -> None:
        super().__init__(settings, **others)
        self._script = script
        self._choosing = threading.Lock()

    def stream(self, request: GenerationRequest) -> Answer:
        with self._choosing:
            self._script.requests.append(request)
            answer = self._script.answers.popleft()
            with saying(self.engine.core, answer if isinstance(answer, str) else answer(request)):
                return super().stream(request)
