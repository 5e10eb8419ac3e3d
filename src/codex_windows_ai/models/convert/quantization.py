"""Block-wise 8-bit quantisation in the layout of ONNX Runtime's MatMulNBits.

https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MatMulNBits:
weight = (code - zero_point) * scale, one scale (float32) and zero point (uint8) a block of columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from codex_windows_ai.models.blocks.products import BLOCK_SIZE

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float32]

_TOP = 255
_SYMMETRIC_TOP, _SYMMETRIC_ZERO = 127, 128  # Q8_0's own grid
_GRID_TOLERANCE = 0.02  # of a step: float16 scales and float32 sums are far better, other data far worse
_SAME = 1e-5  # gaps below this part of a block's range are rounding
_GRID_DIVISORS = 10
_NOTHING = 1e-30  # smaller values count as zero, so that no scale loses its digits


class QuantizedRows(NamedTuple):
    """Rows of a quantised matrix; `columns / BLOCK_SIZE` blocks a row."""

    codes: NDArray[np.uint8]
    """[rows, blocks, BLOCK_SIZE]"""
    scales: NDArray[np.float32]
    """[rows, blocks]"""
    zero_points: NDArray[np.uint8]
    """[rows, blocks]"""


def quantize_rows(values: Array) -> QuantizedRows:
    """Quantises float32 [rows, columns]; `columns` must be a multiple of BLOCK_SIZE.

    Blocks that lie on a grid already, as dequantised ones do, keep it: their scale is the grid's step
    divided by a whole number, so that all values have the same small error, or none. The range of any
    other block, stretched to hold zero, is mapped onto the 256 codes (asymmetric, round to nearest).
    """
    blocks = np.asarray(np.where(np.abs(values) < _NOTHING, 0, values), np.float32).reshape(-1, BLOCK_SIZE)
    low, high = np.minimum(blocks.min(axis=1), 0), np.maximum(blocks.max(axis=1), 0)
    scales = (high - low) / np.float32(_TOP)
    scales = _grid_scales(blocks, low, high, scales)
    symmetric_scales = np.maximum(-low, high) / np.float32(_SYMMETRIC_TOP)
    symmetric = _off_grid(blocks / _divisors(symmetric_scales)).max(axis=1) < _GRID_TOLERANCE
    scales = np.where(symmetric, symmetric_scales, scales)
    divisors = _divisors(scales)
    zero_points = np.where(symmetric, np.float32(_SYMMETRIC_ZERO), np.rint(-low / divisors[:, 0]))
    codes = blocks / divisors
    codes += zero_points[:, None]
    np.rint(codes, out=codes)
    np.clip(codes, 0, _TOP, out=codes)
    rows = len(values)
    return QuantizedRows(
        codes.astype(np.uint8).reshape(rows, -1, BLOCK_SIZE),
        scales.astype(np.float32).reshape(rows, -1),
        zero_points.astype(np.uint8).reshape(rows, -1),
    )


def quantize_whole_rows(values: Array) -> QuantizedRows:
    """Like `quantize_rows`, with one scale for all blocks of a row and zero in the middle.

    Such rows can also be multiplied as int8 integers; `blocks.products` says how.
    """
    scales = np.abs(values).max(axis=1) / np.float32(_SYMMETRIC_TOP)
    codes = values / _divisors(scales)
    np.rint(codes, out=codes)
    codes += np.float32(_SYMMETRIC_ZERO)
    shape = (len(values), values.shape[1] // BLOCK_SIZE)
    return QuantizedRows(
        codes.astype(np.uint8).reshape(*shape, BLOCK_SIZE),
        np.repeat(scales.astype(np.float32)[:, None], shape[1], axis=1),
        np.full(shape, _SYMMETRIC_ZERO, np.uint8),
    )


def _grid_scales(blocks: Array, low: Array, high: Array, otherwise: Array) -> Array:
    """For each block on a grid, the scale that brings zero closest to the grid; else `otherwise`."""
    ascending = np.sort(blocks, axis=1)
    gaps = np.diff(ascending, axis=1)
    span = ascending[:, -1] - ascending[:, 0]
    gaps[gaps <= span[:, None] * _SAME] = np.inf
    intervals = np.rint(span / gaps.min(axis=1))
    steps = _divisors(span / np.maximum(intervals, 1))[:, 0]
    on_grid = (intervals > 0) & (
        _off_grid((ascending - ascending[:, :1]) / steps[:, None]).max(axis=1) < _GRID_TOLERANCE
    )
    finest = np.floor(_TOP * steps / _divisors(high - low)[:, 0] + np.float32(_GRID_TOLERANCE))
    scales, errors = otherwise, np.full(len(blocks), np.inf, np.float32)
    starts: Array = blocks[:, 0]
    for coarser in range(_GRID_DIVISORS):
        divisor = finest - np.float32(coarser)
        candidate = np.asarray(steps / np.maximum(divisor, 1), np.float32)
        error = _off_grid(starts / candidate) * candidate
        fits = np.rint(-low / candidate) + np.rint(high / candidate) <= _TOP
        better = on_grid & (divisor >= 1) & fits & (error < errors)
        scales, errors = np.where(better, candidate, scales), np.where(better, error, errors)
    return scales


def _off_grid(values: Array) -> Array:
    """Distance from the nearest whole number."""
    return np.abs(values - np.rint(values))


def _divisors(scales: Array) -> Array:
    """As a column [blocks, 1], with 1 in place of 0."""
    return np.where(scales == 0, np.float32(1), scales)[:, None]
