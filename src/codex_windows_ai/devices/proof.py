"""A device is believed once it computes what the processor computes.

A driver or an execution provider with a wrong kernel answers fluently, and wrong. So before a device answers, the
processor and it read the same text in the ways in which the engine will: whole, behind a past, and several sequences
of different lengths together. What was proved is kept, for the processor must load the model once more for it.
"""

from __future__ import annotations

from contextlib import suppress

import numpy as np
import numpy.typing as npt

from codex_windows_ai.devices.devices import Device, fingerprint
from codex_windows_ai.engine.kv.host_pool import HostPool
from codex_windows_ai.engine.model import Logits, Model
from codex_windows_ai.engine.tokenizer import Tokenizer
from codex_windows_ai.errors import NotAvailableError
from codex_windows_ai.hardware.inference import first_line
from codex_windows_ai.models.convert.proof import MOST_DIVERGENCE, divergence, sample_tokens
from codex_windows_ai.models.folder import ModelFolder
from codex_windows_ai.settings import cache_folder

__all__ = ["require_the_same_answers"]

WHOLE_TOKENS = 40
"""Tokens that are read at once: kernels of their own begin at 32. A test whose GPU computes fewer rightly sets it."""

_BEHIND, _SHORTER = 8, 9
_POOL_BYTES = 1 << 30


def require_the_same_answers(model: Model, folder: ModelFolder, device: Device) -> None:
    """Compares `model`, which runs on `device`, with the model of `folder` on the processor.

    Raises NotAvailableError: they differ, or the device failed. ModelFileError: the processor does not load the model.
    """
    proven = cache_folder() / "proven" / f"{folder.name}-{fingerprint(folder, device)}"
    if proven.is_file():
        return
    tokens = sample_tokens(Tokenizer(folder.tokenizer_file).encode_text, WHOLE_TOKENS + _BEHIND + 1)
    expected = _logits(Model(folder, file=folder.model_file, threads=model.threads), tokens)
    try:
        found = _logits(model, tokens)
    except Exception as error:  # ONNX Runtime's exceptions have no common base
        raise NotAvailableError(
            f"{device.execution_provider} failed while it read a text: {first_line(error)}"
        ) from error
    most = float(np.max([divergence(one, other) for one, other in zip(expected, found, strict=True)]))
    if not most <= MOST_DIVERGENCE:  # nor what is no number
        raise NotAvailableError(
            f"{device.execution_provider} computes something else than the processor: {most:.2g} nats a token "
            f"apart, where rounding makes no more than {MOST_DIVERGENCE}",
            hint="Update the graphics driver, or the execution provider.",
        )
    with suppress(OSError):  # where nothing can be kept it is proved again
        proven.parent.mkdir(parents=True, exist_ok=True)
        proven.touch()


def _logits(model: Model, tokens: npt.NDArray[np.int64]) -> list[Logits]:
    """Of the next token, [positions, vocabulary] of each pass."""
    pool = HostPool(model.spec, _POOL_BYTES)
    pool.reserve(2, tokens.shape[1], kept=())
    read = WHOLE_TOKENS + _BEHIND
    return [
        model.forward(pool, 0, tokens[:, :WHOLE_TOKENS], [0], keep=WHOLE_TOKENS)[0],
        model.forward(pool, 0, tokens[:, WHOLE_TOKENS:read], [WHOLE_TOKENS], keep=_BEHIND)[0],
        model.forward(pool, 1, tokens[:, :_SHORTER], [0], keep=_SHORTER)[0],
        model.forward(pool, 0, tokens[:, [read, _SHORTER]].T, [read, _SHORTER])[:, 0],
    ]
