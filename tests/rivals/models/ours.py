"""The product's side: a GGUF file converted, and its graphs run by the engine's own model and pool."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import numpy.typing as npt

from codex_windows_ai.engine.kv.host_pool import HostPool
from codex_windows_ai.engine.model import Model
from codex_windows_ai.models.convert.convert import convert
from codex_windows_ai.models.folder import ModelFolder, read_model_folder
from codex_windows_ai.models.precision import Precision
from codex_windows_ai.models.progress import silent

Tokens = npt.NDArray[np.int64]
"""[texts, positions]."""
Logits = npt.NDArray[np.float32]
"""[texts, positions, vocabulary]."""

_BUDGET = 1 << 30
_CUTS = (1, 2, 9, 40, 64, 65, 100)
"""Where a prompt is cut: single tokens, few, many; within and at the end of a sliding window."""
_PREFILLED = (1, 30, 64, 90)
"""How many tokens of each text are read as a prompt before the rest is decoded, all texts in one batch."""
_SHARED = 48


def converted(file: Path, target: Path, precision: Precision = Precision.OWN) -> ModelFolder:
    """The folder that our converter makes of a GGUF file."""
    target.mkdir()
    convert(file, target, silent, precision=precision)
    return read_model_folder(target)


def portable(folder: ModelFolder) -> Model:
    """The graph for every runtime and device."""
    return Model(folder, file=folder.model_file, threads=1)


def for_processors(folder: ModelFolder) -> Model:
    """The graph for processors. Raises AssertionError: the converter did not keep it."""
    assert folder.cpu_model_file != folder.model_file, "the CPU graph answered otherwise than the portable one"
    return Model(folder, threads=1)


def whole(model: Model, tokens: Tokens) -> Logits:
    """Each text in one pass."""
    return in_pieces(model, tokens, ())


def cut(model: Model, tokens: Tokens) -> Logits:
    """Each text in several passes, each behind the ones before."""
    return in_pieces(model, tokens, _CUTS)


def in_pieces(model: Model, tokens: Tokens, cuts: tuple[int, ...]) -> Logits:
    """Each text alone, cut before these positions."""
    return np.stack([np.concatenate(list(pieces(model, text, cuts))) for text in tokens])


def pieces(model: Model, text: Tokens, cuts: Iterable[int]) -> Iterator[Logits]:
    """Of one text [positions], cut before these: [positions of the piece, vocabulary], one piece after the other."""
    pool = _pool(model, 1, len(text))
    for start, end in pairwise([0, *(at for at in cuts if at < len(text)), len(text)]):
        yield model.forward(pool, 0, text[None, start:end], [start], keep=end - start)[0]


def decoded(model: Model, tokens: Tokens) -> Logits:
    """All texts in one batch, a token a pass, each behind a past of its own length, which was read as a prompt."""
    texts, length = tokens.shape
    pool = _pool(model, texts, length)
    logits = np.empty((texts, length, model.vocabulary_size), np.float32)
    past = [min(_PREFILLED[text % len(_PREFILLED)], length - 1) for text in range(texts)]
    for text, end in enumerate(past):
        logits[text, :end] = model.forward(pool, text, tokens[text : text + 1, :end], [0], keep=end)[0]
    while (running := [text for text in range(texts) if past[text] < length]) == list(range(texts)):
        new = np.array([[tokens[text, past[text]]] for text in running])
        for text, answer in enumerate(model.forward(pool, 0, new, past)):
            logits[text, past[text]] = answer[0]
        past = [end + 1 for end in past]
    for text in running:  # the longest are at their end
        for at in range(past[text], length):
            logits[text, at] = model.forward(pool, text, tokens[text : text + 1, at : at + 1], [at])[0, 0]
    return logits


def behind_a_shared_prefix(model: Model, tokens: Tokens) -> Logits:
    """As `decoded`, of one text in two slots that read its beginning from memory that they share."""
    length = tokens.shape[1]
    pool = _pool(model, 2, length)
    logits = np.empty((1, length, model.vocabulary_size), np.float32)
    logits[0, :_SHARED] = model.forward(pool, 0, tokens[:1, :_SHARED], [0], keep=_SHARED)[0]
    prefix = pool.prefix_of_slot(0, _SHARED)
    later = _SHARED + 10  # the second slot is so many tokens ahead of the first
    model.forward(pool, 1, tokens[:1, :later], [0])
    for at in range(_SHARED, length):
        ahead = min(at + later - _SHARED, length - 1)
        new = np.array([[tokens[0, at]], [tokens[0, ahead]]])
        logits[0, at] = model.forward(pool, 0, new, [at, ahead], prefix=prefix)[0, 0]
    return logits


def _pool(model: Model, slots: int, length: int) -> HostPool:
    pool = HostPool(model.spec, _BUDGET)
    pool.resize(slots, length, kept=())
    return pool


WAYS: dict[str, Callable[[Model, Tokens], Logits]] = {"whole": whole, "cut": cut, "decoded": decoded}
