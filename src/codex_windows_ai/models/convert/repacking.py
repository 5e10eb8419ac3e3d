"""Quantised tensors of GGUF files, as the blocks of `blocks.products` that hold them without loss.

The layouts are those of llama.cpp's ggml-common.h. Nothing is rounded anew: what a format multiplies of 16 bits and a
few more (the scale of 256 values, and that of 32 within it) float32 holds exactly.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from gguf.constants import GGMLQuantizationType as Kind
from onnx import TensorProto, helper

from codex_windows_ai.models.blocks.products import BlockForm

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Bytes = NDArray[np.uint8]
    Array = NDArray[np.float32]

_IQ4 = np.array([-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113], np.int16)
_FP4 = np.array([0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12], np.int16)  # twice the value


class Blocks(NamedTuple):
    """Rows of a matrix in blocks; a `BlockForm` says which arrays there are."""

    codes: Bytes
    """[rows, columns], one a byte whatever their bits."""
    scales: NDArray[Any]
    """[rows, blocks]: float32, or integers of 8 bits that `super_scales` multiply."""
    super_scales: NDArray[np.float16] | None = None
    """[rows, super-blocks], of equally many blocks each."""
    minima: NDArray[Any] | None = None
    """[rows, blocks]: float16, or integers of 8 bits that `super_minima` multiply."""
    super_minima: NDArray[np.float16] | None = None
    """[rows, super-blocks]"""

    def beside_codes(self) -> dict[str, NDArray[Any]]:
        """The arrays that there are but the codes, by their names."""
        return {name: values for name, values in self._asdict().items() if name != "codes" and values is not None}


class Repacking(NamedTuple):
    """What becomes of a kind of tensor: `blocks` turns raw rows, [rows, row bytes], into arrays of this `form`."""

    form: BlockForm
    blocks: Callable[[Bytes], Blocks]


def pack(codes: Bytes, form: BlockForm) -> Bytes:
    """Codes [rows, columns] as MatMulNBits has them: of 4 bits, two neighbours share a byte."""
    return codes if form.bits == 8 else np.bitwise_or(codes[:, 0::2], codes[:, 1::2] << np.uint8(4))


def _fields(raw: Bytes, *sizes: int) -> list[Bytes]:
    """The fields of a format's blocks, of so many bytes each: [rows, blocks, size]."""
    blocks = raw.reshape(len(raw), -1, sum(sizes))
    ends = np.cumsum(sizes).tolist()
    return [blocks[..., end - size : end] for end, size in zip(ends, sizes, strict=True)]


def _halves(field: Bytes) -> NDArray[np.float16]:
    """Numbers of 16 bits: [rows, blocks, size / 2]."""
    return np.ascontiguousarray(field).view("<f2")


def _floats(field: Bytes) -> Array:
    """The only number of a block, [rows, blocks]."""
    return _halves(field)[..., 0].astype(np.float32)


def _rows(values: NDArray[Any]) -> NDArray[Any]:
    return np.ascontiguousarray(values).reshape(len(values), -1)


def _nibbles(field: Bytes, run: int) -> Bytes:
    """The codes of bytes that hold `run` values in their low halves, and the next `run` in their high ones."""
    runs = field.reshape(*field.shape[:2], -1, run)
    codes = np.empty((*runs.shape[:3], 2, run), np.uint8)
    np.bitwise_and(runs, 15, out=codes[..., 0, :])
    np.right_shift(runs, 4, out=codes[..., 1, :])
    return codes.reshape(*field.shape[:2], -1)


def _bits(field: Bytes) -> Bytes:
    """Single bits, lowest first: [rows, blocks, 8 * size]."""
    return np.unpackbits(np.ascontiguousarray(field), axis=-1, bitorder="little")


def _q4_0(raw: Bytes) -> Blocks:
    scale, codes = _fields(raw, 2, 16)
    return Blocks(_rows(_nibbles(codes, 16)), _floats(scale))


def _q4_1(raw: Bytes) -> Blocks:
    scale, least, codes = _fields(raw, 2, 2, 16)
    return Blocks(_rows(_nibbles(codes, 16)), _floats(scale), minima=_rows(_halves(least)))


def _q5_0(raw: Bytes) -> Blocks:
    scale, high, low = _fields(raw, 2, 4, 16)
    return Blocks(_rows(_nibbles(low, 16) + 16 * _bits(high) + (128 - 16)), _floats(scale))


def _q5_1(raw: Bytes) -> Blocks:
    scale, least, high, low = _fields(raw, 2, 2, 4, 16)
    codes = _rows(_nibbles(low, 16) + 16 * _bits(high) + (128 - 16))
    return Blocks(codes, _floats(scale), minima=_rows(_halves(least)))


def _q8_0(raw: Bytes) -> Blocks:
    scale, codes = _fields(raw, 2, 32)
    return Blocks(_rows(codes ^ 128), _floats(scale))


def _q2_k(raw: Bytes) -> Blocks:
    both, codes, scale, least = _fields(raw, 16, 64, 2, 2)
    shifts = np.array([0, 2, 4, 6], np.uint8)[:, None]
    codes = (codes.reshape(*codes.shape[:2], 2, 1, 32) >> shifts & 3) + (8 - 2)
    return Blocks(
        _rows(codes), _rows((both & 15).view(np.int8)), _rows(_halves(scale)), _rows(both >> 4), _rows(-_halves(least))
    )


def _q3_k(raw: Bytes) -> Blocks:
    high, low, packed, scale = _fields(raw, 32, 64, 12, 2)
    shifts = np.array([0, 2, 4, 6], np.uint8)[:, None]
    codes = low.reshape(*low.shape[:2], 2, 1, 32) >> shifts & 3
    bits = high[:, :, None, :] >> np.arange(8, dtype=np.uint8)[:, None] & 1
    codes = codes + 4 * bits.reshape(codes.shape) + (8 - 4)
    four = np.concatenate([packed[..., :8] & 15, packed[..., :8] >> 4], axis=-1)
    two = packed[..., None, 8:] >> shifts & 3
    factors = (four + 16 * two.reshape(four.shape)).astype(np.int8) - np.int8(32)
    return Blocks(_rows(codes), _rows(factors), _rows(_halves(scale)))


def _six_bits(packed: Bytes) -> tuple[Bytes, Bytes]:
    """The eight scales and the eight minima that K-quants have in 12 bytes."""
    scales, minima, last = (packed[..., start : start + 4] for start in (0, 4, 8))
    low, top = np.uint8(63), np.uint8(6)
    return (
        np.concatenate([scales & low, (last & np.uint8(15)) + (scales >> top) * np.uint8(16)], axis=-1),
        np.concatenate([minima & low, (last >> np.uint8(4)) + (minima >> top) * np.uint8(16)], axis=-1),
    )


def _q4_k(raw: Bytes) -> Blocks:
    scale, least, packed, codes = _fields(raw, 2, 2, 12, 128)
    factors, minima = _six_bits(packed)
    scales = _floats(scale)[..., None] * factors
    return Blocks(_rows(_nibbles(codes, 32)), _rows(scales), minima=_rows(minima), super_minima=_rows(-_halves(least)))


def _q5_k(raw: Bytes) -> Blocks:
    scale, least, packed, high, low = _fields(raw, 2, 2, 12, 32, 128)
    factors, minima = _six_bits(packed)
    bits = high[:, :, None, :] >> np.arange(8, dtype=np.uint8)[:, None] & 1
    codes = _nibbles(low, 32) + 16 * bits.reshape(*low.shape[:2], 256) + (128 - 16)
    scales = _floats(scale)[..., None] * factors
    return Blocks(_rows(codes), _rows(scales), minima=_rows(minima), super_minima=_rows(-_halves(least)))


def _q6_k(raw: Bytes) -> Blocks:
    low, high, factors, scale = _fields(raw, 128, 64, 16, 2)
    two = high.reshape(*high.shape[:2], 2, 1, 32) >> np.array([0, 2, 4, 6], np.uint8)[:, None] & 3
    codes = _nibbles(low, 64) + 16 * two.reshape(*low.shape[:2], 256) + (128 - 32)
    return Blocks(_rows(codes), _rows(factors.view(np.int8)), _rows(_halves(scale)))


def _iq4_nl(raw: Bytes) -> Blocks:
    scale, codes = _fields(raw, 2, 16)
    return Blocks(_rows((_IQ4 + 128).astype(np.uint8)[_nibbles(codes, 16)]), _floats(scale))


def _iq4_xs(raw: Bytes) -> Blocks:
    scale, high, low, codes = _fields(raw, 2, 2, 4, 128)
    two = np.ascontiguousarray(high).view("<u2") >> np.arange(0, 16, 2, dtype=np.uint16) & 3
    four = np.stack([low & 15, low >> 4], axis=-1).reshape(*low.shape[:2], 8)
    scales = _floats(scale)[..., None] * (four.astype(np.float32) + 16 * two.astype(np.float32) - 32)
    return Blocks(_rows((_IQ4 + 128).astype(np.uint8)[_nibbles(codes, 16)]), _rows(scales))


def _mxfp4(raw: Bytes) -> Blocks:
    exponent, codes = _fields(raw, 1, 16)
    scales = np.ldexp(np.float32(1), exponent[..., 0].astype(np.int32) - 128)
    return Blocks(_rows((_FP4 + 128).astype(np.uint8)[_nibbles(codes, 16)]), scales)


def repack_mxfp4(raw: Bytes) -> tuple[Bytes, NDArray[Any]]:
    """Rows of MXFP4 as experts have them: codes of two neighbours a byte, and a float8e8m0 for each block."""
    exponent, codes = _fields(raw, 1, 16)
    kind = helper.tensor_dtype_to_np_dtype(TensorProto.FLOAT8E8M0)
    return pack(_rows(_nibbles(codes, 16)), BlockForm(4, 32)), np.ascontiguousarray(exponent[..., 0]).view(kind)


REPACKINGS: Mapping[Kind, Repacking] = {
    Kind.Q4_0: Repacking(BlockForm(4, 32), _q4_0),
    Kind.Q4_1: Repacking(BlockForm(4, 32, floor=8), _q4_1),
    Kind.Q5_0: Repacking(BlockForm(8, 32), _q5_0),
    Kind.Q5_1: Repacking(BlockForm(8, 32, floor=16), _q5_1),
    Kind.Q8_0: Repacking(BlockForm(8, 32), _q8_0),
    Kind.Q2_K: Repacking(BlockForm(4, 16, super_scales=True, floor=2, super_minima=True), _q2_k),
    Kind.Q3_K: Repacking(BlockForm(4, 16, super_scales=True), _q3_k),
    Kind.Q4_K: Repacking(BlockForm(4, 32, floor=8, super_minima=True), _q4_k),
    Kind.Q5_K: Repacking(BlockForm(8, 32, floor=16, super_minima=True), _q5_k),
    Kind.Q6_K: Repacking(BlockForm(8, 16, super_scales=True), _q6_k),
    Kind.IQ4_NL: Repacking(BlockForm(8, 32), _iq4_nl),
    Kind.IQ4_XS: Repacking(BlockForm(8, 32), _iq4_xs),
    Kind.MXFP4: Repacking(BlockForm(8, 32), _mxfp4),
}
"""Kinds that blocks hold without loss. Of others, `quantization` makes blocks anew."""
