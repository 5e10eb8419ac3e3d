"""Fits blocks of weights to codes of few bits, each with a scale and the code that stands for zero."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from codex_windows_ai.models.blocks.products import BlockForm

    Array = NDArray[np.float32]

_PARTS = (1.04, 1.0, 0.96, 0.92)
"""What all codes together span, as parts of a block's range: with less its ends are cut off, and all else is finer."""
_NOTHING = np.float32(1e-30)  # smaller values count as zero, so that no scale loses its digits


class Fitted(NamedTuple):
    """Rows of a matrix in blocks."""

    codes: NDArray[np.uint8]
    """[rows, columns]"""
    scales: Array
    """[rows, blocks]"""
    zero_points: NDArray[np.uint8]
    """[rows, blocks]"""
    lost: float
    """The sum of the squares of what the weights are off by."""


def fit(values: Array, form: BlockForm) -> Fitted:
    """Fits [rows, columns], each block by the part that loses least, with the scale that does.

    Without zero points in the form, zero is in the middle of the codes.
    """
    top = (1 << form.bits) - 1
    blocks = np.where(np.abs(values) < _NOTHING, 0, values).reshape(-1, form.block_size).astype(np.float32)
    low, high = np.minimum(blocks.min(axis=1, keepdims=True), 0), np.maximum(blocks.max(axis=1, keepdims=True), 0)
    if not form.zero_points:
        high = np.maximum(high, -low)
        low = -high
    best = np.zeros_like(blocks)
    scales, zeros, errors = (np.full_like(low, value) for value in (0, 0, np.inf))
    for part in _PARTS if form.zero_points else (1.0,):
        step = (high - low) * np.float32(part / top)
        step = np.where(step == 0, np.float32(1), step)
        middle = (low + high) / 2
        zero = np.rint(np.float32(top / 2) - middle / step) if form.zero_points else np.float32(1 << (form.bits - 1))
        zero = np.broadcast_to(np.clip(zero, 0, top), low.shape).astype(np.float32)
        codes = np.clip(np.rint(blocks / step), -zero, top - zero)
        squares = np.square(codes).sum(axis=1, keepdims=True)
        scale = (blocks * codes).sum(axis=1, keepdims=True) / np.maximum(squares, 1)
        error = np.square(blocks - codes * scale).sum(axis=1, keepdims=True)
        better = error < errors
        best = np.where(better, codes + zero, best)
        scales, zeros, errors = (
            np.where(better, found, before) for found, before in ((scale, scales), (zero, zeros), (error, errors))
        )
    shape = (len(values), -1)
    return Fitted(
        best.astype(np.uint8).reshape(values.shape),
        scales.astype(np.float32).reshape(shape),
        zeros.astype(np.uint8).reshape(shape),
        float(errors.sum(dtype=np.float64)),
    )
