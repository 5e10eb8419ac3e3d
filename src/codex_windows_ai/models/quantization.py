"""Block-wise 8-bit quantisation in the layout of ONNX Runtime's MatMulNBits.

https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MatMulNBits:
weight = (code - zero_point) * scale, one scale (float32) and zero point (uint8) a block of columns.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

BLOCK_SIZE = 32
_TOP = 255


class QuantizedRows(NamedTuple):
    """Rows of a quantised matrix; `columns / BLOCK_SIZE` blocks a row."""

    codes: NDArray[np.uint8]
    """[rows, blocks, BLOCK_SIZE]"""
    scales: NDArray[np.float32]
    """[rows, blocks]"""
    zero_points: NDArray[np.uint8]
    """[rows, blocks]"""


def quantize_rows(values: NDArray[np.float32]) -> QuantizedRows:
    """Quantises float32 [rows, columns]; `columns` must be a multiple of BLOCK_SIZE.

    Each block's range is stretched to hold zero and mapped onto the 256 codes (asymmetric, round to nearest).
    """
    blocks = values.reshape(len(values), -1, BLOCK_SIZE)
    low = np.minimum(blocks.min(axis=2), 0)
    high = np.maximum(blocks.max(axis=2), 0)
    scales = (high - low) / np.float32(_TOP)
    divisors = np.where(scales == 0, np.float32(1), scales)
    zero_points = np.rint(-low / divisors)
    codes = blocks / divisors[:, :, None]
    codes += zero_points[:, :, None]
    np.rint(codes, out=codes)
    np.clip(codes, 0, _TOP, out=codes)
    return QuantizedRows(codes.astype(np.uint8), scales.astype(np.float32), zero_points.astype(np.uint8))


def dequantize_rows(rows: QuantizedRows) -> NDArray[np.float32]:
    """The float32 [rows, columns] that the kernels compute with."""
    centred = rows.codes.astype(np.float32) - rows.zero_points[:, :, None].astype(np.float32)
    return (centred * rows.scales[:, :, None]).reshape(len(rows.codes), -1)
