"""A model is installed once it has answered: it is loaded, spoken to as its users will, and generates two tokens."""

from __future__ import annotations

import gc
import math
import traceback
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from codex_windows_ai.chat.formats import chat_format
from codex_windows_ai.chat.trial import try_chat
from codex_windows_ai.engine.configuration import EngineConfiguration
from codex_windows_ai.engine.core import EngineCore
from codex_windows_ai.engine.request import EngineRequest
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.errors import ModelError, ModelFileError, WindowsAiError
from codex_windows_ai.hardware.inference import first_line
from codex_windows_ai.models.adaptation import adaptation_remarks
from codex_windows_ai.models.folder import TOKENIZER, ModelFolder
from codex_windows_ai.models.store import ModelStore
from codex_windows_ai.protocol.answer import Delta

__all__ = ["model_store", "prove_chat", "prove_model"]

_AGAIN = "Nothing was installed. Fetch, convert or export the model again, or take another one."


def model_store(root: Path | None = None) -> ModelStore:
    """The models of this machine, of which each is proved before it is installed."""
    return ModelStore(root, prove=prove_model, try_chat=prove_chat)


def prove_chat(folder: Path) -> tuple[str, ...]:
    """Has the chat format of a folder, which needs no weights yet, speak to its model.

    Returns what its user should know. Raises ModelFileError, UnsupportedModelError: it cannot be spoken to.
    """
    with _as_model_errors(folder):
        return try_chat(folder, Tokenizer(folder / TOKENIZER))


def prove_model(folder: ModelFolder) -> tuple[str, ...]:
    """Loads a model on the processor, has its chat format speak to it, and generates two tokens.

    Takes about as long as loading it does. Returns what its user should know.
    Raises ModelFileError, UnsupportedModelError: it does not load, cannot be spoken to, or computes no numbers.
    """
    remarks = prove_chat(folder.path)
    try:
        with _as_model_errors(folder.path), np.errstate(all="ignore"):  # what is no number is looked for
            _require_numbers(folder)
    except ModelError as error:
        if error.__cause__:  # its frames hold the session
            traceback.clear_frames(error.__cause__.__traceback__)
        raise
    finally:
        gc.collect()  # Windows neither moves nor deletes files that a session has mapped
    return (*remarks, *adaptation_remarks(folder))


def _require_numbers(folder: ModelFolder) -> None:
    core = EngineCore(folder, EngineConfiguration(cache_bytes=0, shared_bytes=0))
    form = chat_format(folder.path, core.tokenizer)
    prompt = form.prepare(form.greeting).tokens
    said: list[Delta | WindowsAiError] = []
    core.enqueue(core.prepare(EngineRequest(prompt, max_output_tokens=2, top_logprobs=0), said.append))
    while not core.idle:
        core.step()
    for failure in said:
        if isinstance(failure, WindowsAiError):
            raise failure
    logprobs = [token.logprob for piece in said if isinstance(piece, Delta) for token in piece.tokens]
    if not logprobs or any(logprob is None or not math.isfinite(logprob) for logprob in logprobs):
        raise ModelFileError(f"The model in {folder.path} answers with what are no numbers.")


@contextmanager
def _as_model_errors(folder: Path) -> Generator[None]:
    """Whatever goes wrong is the model's fault: files of others can make libraries fail in any way."""
    try:
        yield
    except ModelError as error:
        raise type(error)(error.message, hint=error.hint or _AGAIN) from error
    except WindowsAiError as error:
        raise ModelFileError(f"The model in {folder} cannot answer: {error.message}", hint=_AGAIN) from error
    except Exception as error:
        raise ModelFileError(
            f"The model in {folder} does not work: {type(error).__name__}: {first_line(error)}", hint=_AGAIN
        ) from error
