"""The engine behind a provider: what is asked in messages reaches it in token ids."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from codex_windows_ai.engine import validation
from codex_windows_ai.engine.sampling.grammar import GrammarCompiler
from codex_windows_ai.errors import InvalidRequestError, ModelFileError
from codex_windows_ai.models.folder import CHAT_TEMPLATE
from codex_windows_ai.protocol.request import GenerationRequest, Grammar, Message
from codex_windows_ai.settings import Settings
from codex_windows_ai.windows_ai.engine_provider import EngineProvider
from tests.engine.tiny_model import make_tiny_model


@pytest.fixture(scope="module")
def provider(tiny_model_path: Path) -> Iterator[EngineProvider]:
    opened = EngineProvider(Settings(model=str(tiny_model_path), threads=1))
    yield opened
    opened.close()


@pytest.mark.parametrize(
    "values",
    [
        {"prompt_token_ids": None},
        {"prompt_token_ids": ()},
        {"messages": (Message("user", " \n"),)},
        {"messages": (Message("user", "\ud800"),)},
    ],
)
def test_a_request_that_says_nothing_is_refused_at_once_and_takes_no_place(
    provider: EngineProvider, values: dict[str, Any]
) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        provider.stream(GenerationRequest(**values))

    assert refused.value.http_status == 400
    statistics = provider.engine.statistics()
    assert (statistics.forward_passes, statistics.waiting, statistics.running) == (0, 0, 0)


def test_token_ids_are_taken_as_they_are_and_messages_as_the_template_writes_them(provider: EngineProvider) -> None:
    own = list(provider.stream(GenerationRequest(prompt_token_ids=(1, 2, 3), max_output_tokens=1)))[-1].usage
    written = list(provider.stream(GenerationRequest((Message("user", "x"),), max_output_tokens=1)))[-1].usage

    assert own is not None
    assert own.input_tokens == 3
    assert written is not None
    # <|im_start|>, "user\nx", <|im_end|>, a new line, <|im_start|> and "assistant\n": a byte a token in this model.
    assert written.input_tokens == 1 + 6 + 1 + 1 + 1 + 10


def test_an_answer_goes_on_from_the_assistants_words_or_says_why_not(provider: EngineProvider) -> None:
    messages = (Message("user", "x"), Message("assistant", "y"))
    continued = provider.stream(GenerationRequest(messages, max_output_tokens=1))
    anew = provider.stream(GenerationRequest(messages, max_output_tokens=1, grammar=Grammar("regex", "z+")))

    usage = list(continued)[-1].usage
    assert usage is not None
    assert usage.input_tokens == 1 + 6 + 1 + 1 + 1 + 10 + 1
    assert continued.left_out == ()
    [said] = anew.left_out
    assert "new turn" in said


def test_no_request_waits_for_what_reads_grammars(tiny_model_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is made with the model: for a real vocabulary that takes a quarter of a second, in which no thread runs."""
    made = list[object]()

    class Noted(GrammarCompiler):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            made.append(self)

    monkeypatch.setattr(validation, "GrammarCompiler", Noted)
    provider = EngineProvider(Settings(model=str(tiny_model_path), threads=1))
    try:
        at_first = len(made)
        list(
            provider.stream(
                GenerationRequest((Message("user", "x"),), max_output_tokens=1, grammar=Grammar("regex", "z+"))
            )
        )
    finally:
        provider.close()

    assert (at_first, len(made)) == (1, 1)


def test_a_model_without_a_chat_template_is_refused_where_a_format_is_asked_for(tmp_path: Path) -> None:
    folder = make_tiny_model(tmp_path).path
    (folder / CHAT_TEMPLATE).unlink()

    with pytest.raises(ModelFileError, match="has no chat template"):
        EngineProvider(Settings(model=str(folder), threads=1, chat_format="hermes"))
