"""Fits blocks of weights to few codes with one scale and zero in the middle, by least squares."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from codex_windows_ai.models.blocks.products import BlockForm

    Array = NDArray[np.float32]

_PARTS = (1.0, 0.94, 0.88, 0.82)
"""What the code farthest from zero stands for, as parts of the largest value: what is beyond is cut off, all else is
finer. Of 8 bits the first is best."""
_NOTHING = np.float32(1e-30)  # smaller values count as zero, so that no scale loses its digits


def fit(values: Array, form: BlockForm) -> tuple[NDArray[np.uint8], Array, float]:
    """Codes [rows, columns], scales [rows, blocks], and the sum of the squares of what is lost.

    The value farthest from zero gets the lowest code, of which there is one more than of those above zero; so a scale
    has the sign that this takes.
    """
    half = 1 << (form.bits - 1)
    blocks = np.where(np.abs(values) < _NOTHING, 0, values).reshape(-1, form.block_size).astype(np.float32)
    farthest = np.take_along_axis(blocks, np.abs(blocks).argmax(axis=1, keepdims=True), axis=1)
    best, scales, errors = np.zeros_like(blocks), np.zeros_like(farthest), np.full_like(farthest, np.inf)
    for part in _PARTS if half == 8 else _PARTS[:1]:
        step = farthest * np.float32(-part / half)
        codes = np.clip(np.rint(blocks / np.where(step == 0, 1, step)), -half, half - 1)
        squares = np.square(codes).sum(axis=1, keepdims=True)
        scale = (blocks * codes).sum(axis=1, keepdims=True) / np.maximum(squares, 1)
        error = np.square(blocks - codes * scale).sum(axis=1, keepdims=True)
        better = error < errors
        best, scales, errors = (
            np.where(better, codes, best),
            np.where(better, scale, scales),
            np.where(better, error, errors),
        )
    codes = (best + half).astype(np.uint8).reshape(values.shape)
    lost = float(errors.sum(dtype=np.float64))
    return codes, scales.reshape(len(values), -1).astype(np.float32), lost
