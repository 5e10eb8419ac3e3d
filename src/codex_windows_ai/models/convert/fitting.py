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
_AT_ONCE = 1 << 15
"""Weights, so that all that is made of them stays near the processor."""
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
    step = max(1, _AT_ONCE // values.shape[1])
    *parts, lost = zip(*(_fit(values[row : row + step], form) for row in range(0, len(values), step)), strict=True)
    codes, scales, zero_points = (np.concatenate(arrays) for arrays in parts)
    return Fitted(codes, scales, zero_points, sum(lost))


def _fit(values: Array, form: BlockForm) -> Fitted:
    top = (1 << form.bits) - 1
    blocks = np.where(np.abs(values) < _NOTHING, 0, values).reshape(-1, form.block_size).astype(np.float32)
    low, high = np.minimum(blocks.min(axis=1), 0), np.maximum(blocks.max(axis=1), 0)
    if not form.zero_points:
        high = np.maximum(high, -low)
        low = -high
    whole = np.einsum("ij,ij->i", blocks, blocks)
    steps, zeros, scales, errors = (np.full_like(low, value) for value in (1, 0, 0, np.inf))
    for part in _PARTS if form.zero_points else (1.0,):
        step = (high - low) * np.float32(part / top)
        step = np.where(step == 0, np.float32(1), step)
        middle = np.float32(top / 2) - (low + high) / (2 * step)
        zero = np.clip(np.rint(middle), 0, top) if form.zero_points else np.full_like(low, 1 << (form.bits - 1))
        codes = _codes(blocks, step, zero, top)
        along = np.einsum("ij,ij->i", blocks, codes)
        scale = along / np.maximum(np.einsum("ij,ij->i", codes, codes), 1)
        error = whole - along * scale  # what is left with the scale of least squares
        better = error < errors
        for best, found in ((steps, step), (zeros, zero), (scales, scale), (errors, error)):
            np.copyto(best, found, where=better)
    codes = _codes(blocks, steps, zeros, top)
    lost = np.square(blocks - codes * scales[:, None]).sum(dtype=np.float64)
    codes += zeros[:, None]
    shape = (len(values), -1)
    return Fitted(
        codes.astype(np.uint8).reshape(values.shape),
        scales.reshape(shape),
        zeros.astype(np.uint8).reshape(shape),
        float(lost),
    )


def _codes(blocks: Array, steps: Array, zeros: Array, top: int) -> Array:
    """Codes, less what stands for zero."""
    codes = blocks / steps[:, None]
    np.rint(codes, out=codes)
    np.maximum(codes, -zeros[:, None], out=codes)
    return np.minimum(codes, top - zeros[:, None], out=codes)
