"""How a graph reads its matrices: quantised in blocks, partly as integers, or in float32.

Operators of the domain com.microsoft:
https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from onnx import TensorProto

from codex_windows_ai.models.blocks.graph_builder import MICROSOFT, GraphBuilder
from codex_windows_ai.models.blocks.spreading import spread

if TYPE_CHECKING:
    from collections.abc import Mapping

    from codex_windows_ai.models.blocks.weights import Experts, Matrix

BLOCK_SIZE = 32
"""Columns of a block, where nothing else is said; widths are multiples of it."""

SUPER_BLOCK = 256
"""Columns of a super-block."""

INT8_ACTIVATIONS = 4  # MatMulNBits' accuracy_level


@dataclass(frozen=True, slots=True)
class BlockForm:
    """How a quantised matrix [rows, columns] is stored: in blocks of columns of one row, with a scale each.

    Its initializers, named behind the matrix': `.codes` uint8, packed as MatMulNBits wants them; `.scales` float32
    [rows, blocks]. A value is (code - middle) * scale, where the middle is half of all codes, plus the block's offset.
    """

    bits: int
    block_size: int
    zero_points: bool = False
    """`.zero_points` uint8 [rows, blocks] are the codes that stand for 0, instead of the middle."""
    super_scales: bool = False
    """`.scales` are integers of 8 bits, which `.super_scales` float16 [rows, super-blocks] multiply."""
    floor: int = 0
    """With it blocks have offsets: so many scales, plus the minimum of `.minima` float16 [rows, blocks]."""
    super_minima: bool = False
    """`.minima` are integers of 8 bits, which `.super_minima` float16 [rows, super-blocks] multiply."""

    @property
    def packed_bytes(self) -> int:
        """Bytes of one block's codes."""
        return self.block_size * self.bits // 8

    @property
    def bytes_per_value(self) -> float:
        """Bytes that a matrix takes, codes and all, for each of its values."""
        block = self.packed_bytes + (1 if self.super_scales else 4) + self.zero_points
        minimum = (1 if self.super_minima else 2) if self.floor else 0
        return (block + minimum) / self.block_size + 2 * (self.super_scales + self.super_minima) / SUPER_BLOCK

    @property
    def loaded_bytes_per_value(self) -> float:
        """Bytes of memory that a product with the matrix takes for each of its values.

        The kernel packs codes with a scale and a sum in float32 a block; scales that were multiplied out stay beside
        them, and offsets are a matrix of their own.
        """
        return (self.packed_bytes + 4 * (2 + self.super_scales + bool(self.floor))) / self.block_size


ROUNDED = BlockForm(8, BLOCK_SIZE, zero_points=True)
"""How weights are stored that were rounded here."""


@dataclass(frozen=True, slots=True)
class FloatForm:
    """How a matrix of floating-point numbers is stored: `.values` [rows, columns], of this `TensorProto` type."""

    type: int

    @property
    def bytes_per_value(self) -> float:
        """As of a `BlockForm`."""
        return 4 if self.type == TensorProto.FLOAT else 2

    @property
    def loaded_bytes_per_value(self) -> float:
        """As of a `BlockForm`: products are in float32."""
        return 4


@dataclass(frozen=True, slots=True)
class Fp4Form:
    """How experts are stored as MXFP4 has them: floating-point numbers of 4 bits, and a power of two for each 32.

    `.codes` uint8, two neighbours a byte, the first in its low half; `.scales` float8e8m0. They are read where they
    lie in the mapped file.
    """

    bytes_per_value: float = 17 / 32
    loaded_bytes_per_value: float = 17 / 32


Form = BlockForm | FloatForm | Fp4Form
"""Of a matrix it is a `BlockForm` or a `FloatForm`."""


class Products(Protocol):
    """One way to read matrices; every block multiplies through it."""

    def multiply(self, build: GraphBuilder, matrix: Matrix, source: str, output: str) -> str:
        """`source` [..., columns] times the transposed matrix, plus its bias: [..., rows]."""
        ...

    def embed(self, build: GraphBuilder, matrix: Matrix, ids: str) -> str:
        """The rows `ids` of the matrix: [batch, sequence, columns]."""
        ...

    def expert_form(self, experts: Experts) -> Form:
        """How the experts of a layer are stored."""
        ...

    def expert_values(self, build: GraphBuilder, experts: Experts, part: str) -> str:
        """An initializer of the experts, as it is read."""
        ...


@dataclass(frozen=True, slots=True)
class QuantizedProducts:
    """Matrices as `convert.weights` writes them, mostly in blocks; `forms` has each one's by its name."""

    forms: Mapping[str, Form]
    smoothed: bool = False
    """Weights were smoothed (`convert.calibration`)."""
    whole_rows: frozenset[str] = frozenset()
    """Names of matrices that were spread, and rounded with one scale a row."""
    integers: frozenset[str] = frozenset()
    """Those of them that are multiplied as integers, which ONNX Runtime's CPU kernels do faster."""

    def multiply(self, build: GraphBuilder, matrix: Matrix, source: str, output: str) -> str:
        """The product with codes and scales, and that of each block's sum with the block's offset."""
        form = self._form(matrix)
        if matrix.name in self.whole_rows:
            source = spread(build, source)
        if matrix.name in self.integers:
            if matrix.bias is None:
                return multiply_integers(build, source, matrix.name, output)
            unbiased = multiply_integers(build, source, matrix.name, f"{output}.unbiased")
            return build.node("Add", [unbiased, matrix.bias.name], output)
        if isinstance(form, FloatForm):
            return _multiply_floats(build, matrix, _as_float(build, f"{matrix.name}.values", form), source, output)
        stored = _Stored(build, matrix.name, form)
        inputs = [source, stored.part("codes"), stored.scales()]
        inputs.append(stored.part("zero_points") if form.zero_points else "")
        if matrix.bias:
            inputs += ["", matrix.bias.name]  # the input between is the group index
        product = build.node(
            "MatMulNBits",
            inputs,
            f"{output}.centred" if form.floor else output,
            MICROSOFT,
            K=matrix.columns,
            N=matrix.rows,
            bits=form.bits,
            block_size=form.block_size,
            accuracy_level=INT8_ACTIVATIONS,
        )
        if not form.floor:
            return product
        sums = _block_sums(build, source, form.block_size)
        offsets = build.node("Transpose", [stored.offsets()], f"{matrix.name}.offset_columns", perm=[1, 0])
        shift = build.node("MatMul", [sums, offsets], f"{output}.shift")
        return build.node("Add", [product, shift], output)

    def embed(self, build: GraphBuilder, matrix: Matrix, ids: str) -> str:
        """The rows; those of a matrix that is also the head are smoothed for that, which is undone here."""
        form = self._form(matrix)
        if isinstance(form, FloatForm):
            rows = build.node("Gather", [f"{matrix.name}.values", ids], f"{matrix.name}.gathered", axis=0)
            return _as_float(build, rows, form)
        rows = _embed(build, matrix, form, ids)
        if self.smoothed and matrix.norm:
            return build.node("Mul", [rows, f"{matrix.name}.unsmoothing"], f"{matrix.name}.plain")
        return rows

    def expert_form(self, experts: Experts) -> Form:
        """As they were written."""
        return self.forms[experts.name]

    def expert_values(self, build: GraphBuilder, experts: Experts, part: str) -> str:
        """Floating-point numbers are computed with in float32."""
        name, form = f"{experts.name}.{part}", self.forms[experts.name]
        return _as_float(build, name, form) if isinstance(form, FloatForm) else name

    def _form(self, matrix: Matrix) -> BlockForm | FloatForm:
        form = self.forms[matrix.name]
        if isinstance(form, Fp4Form):
            raise TypeError(f"{matrix.name} is no matrix of experts")
        return form


@dataclass(frozen=True, slots=True)
class _Stored:
    """The initializers of a matrix in blocks, or with `ids` [tokens] only these rows of them.

    What is the same at every pass ONNX Runtime computes when it loads the graph.
    """

    build: GraphBuilder
    name: str
    form: BlockForm
    ids: str = ""

    def part(self, suffix: str) -> str:
        """One of the initializers."""
        name = f"{self.name}.{suffix}"
        return self.build.once("Gather", [name, self.ids], f"{name}.gathered", axis=0) if self.ids else name

    def scales(self) -> str:
        """float32 [rows, blocks]"""
        scales = self.part("scales")
        return self._factored(scales, self.part("super_scales")) if self.form.super_scales else scales

    def offsets(self) -> str:
        """float32 [rows, blocks]"""
        minima, floor = self.part("minima"), np.array(self.form.floor, np.float32)
        below = self.build.once(
            "Mul", [self.scales(), self.build.array(f"floor_{floor:g}", floor)], f"{self.part('scales')}.below"
        )
        minimum = self._factored(minima, self.part("super_minima")) if self.form.super_minima else self._float(minima)
        return self.build.once("Add", [below, minimum], f"{minima}.offsets")

    def _factored(self, integers: str, factors: str) -> str:
        """Integers [rows, blocks] times the numbers [rows, super-blocks] of their super-blocks."""
        build, per_block = self.build, SUPER_BLOCK // self.form.block_size
        apart = build.once_reshaped(self._float(integers), [0, -1, per_block], f"{integers}.apart")
        factor = build.once_reshaped(self._float(factors), [0, -1, 1], f"{factors}.column")
        product = build.once("Mul", [apart, factor], f"{integers}.multiplied")
        return build.once_reshaped(product, [0, -1], f"{integers}.whole")

    def _float(self, source: str) -> str:
        return self.build.once("Cast", [source], f"{source}.float", to=TensorProto.FLOAT)


def _block_sums(build: GraphBuilder, source: str, block_size: int) -> str:
    """From [batch, sequence, columns] to [batch, sequence, blocks]; all matrices that read one source share it."""
    apart = build.once_reshaped(source, [0, 0, -1, block_size], f"{source}.blocks_{block_size}")
    last = build.constant("last_axis", [-1])
    return build.once("ReduceSum", [apart, last], f"{source}.sums_{block_size}", keepdims=0)


def _embed(build: GraphBuilder, matrix: Matrix, form: BlockForm, ids: str) -> str:
    """Rows of a matrix in blocks, [batch, sequence, columns]."""
    name = matrix.name
    tokens = build.reshape(ids, [-1], f"{name}.tokens")
    stored = _Stored(build, name, form, tokens)
    data, scales = f"{name}.rows", f"{name}.scales"
    if form.super_scales:  # of the whole vocabulary they would stay in memory
        data, scales = stored.part("rows"), stored.scales()
        tokens = build.numbers(build.node("Size", [tokens], f"{name}.count"), f"{name}.places")
    values = build.node(
        "GatherBlockQuantized",
        [data, tokens, scales, *([f"{name}.zero_points"] if form.zero_points else [])],
        f"{name}.values",
        MICROSOFT,
        bits=form.bits,
        block_size=form.block_size,
        gather_axis=0,
        quantize_axis=1,
    )
    if form.floor:
        apart = build.reshape(values, [0, -1, form.block_size], f"{name}.values.apart")
        column = build.reshape(stored.offsets(), [0, -1, 1], f"{name}.offset_column")
        values = build.node("Add", [apart, column], f"{name}.values.shifted")
    shape = build.node("Shape", [ids], f"{name}.shape_of_ids")
    shape = build.node(
        "Concat", [shape, build.constant(f"columns_{matrix.columns}", [matrix.columns])], f"{name}.shape", axis=0
    )
    return build.node("Reshape", [values, shape], name)


@dataclass(frozen=True, slots=True)
class FloatProducts:
    """Matrices of float32 [rows, columns] that are as the file has them."""

    def multiply(self, build: GraphBuilder, matrix: Matrix, source: str, output: str) -> str:
        """A plain product."""
        return _multiply_floats(build, matrix, matrix.name, source, output)

    def embed(self, build: GraphBuilder, matrix: Matrix, ids: str) -> str:
        """The rows."""
        return build.node("Gather", [matrix.name, ids], f"{matrix.name}.gathered", axis=0)

    def expert_form(self, experts: Experts) -> Form:
        """All are of float32."""
        return FloatForm(TensorProto.FLOAT)

    def expert_values(self, build: GraphBuilder, experts: Experts, part: str) -> str:
        """As they are given."""
        return f"{experts.name}.{part}"


def _multiply_floats(build: GraphBuilder, matrix: Matrix, values: str, source: str, output: str) -> str:
    if matrix.bias is None:
        return build.node("FusedMatMul", [source, values], output, MICROSOFT, transB=1)
    product = build.node("FusedMatMul", [source, values], f"{output}.unbiased", MICROSOFT, transB=1)
    return build.node("Add", [product, matrix.bias.name], output)


def _as_float(build: GraphBuilder, source: str, form: FloatForm) -> str:
    if form.type == TensorProto.FLOAT:
        return source
    return build.once("Cast", [source], f"{source}.float", to=TensorProto.FLOAT)


def multiply_integers(build: GraphBuilder, source: str, weight: str, output: str) -> str:
    """The product with a matrix that has one scale a row, each row of `source` rounded to 8 bits with one too.

    All matrices that read one source share its rounding. Kernels are fast for uint8 activations with int8 weights, so
    the weights' codes change their sign bit; ONNX Runtime folds what is constant when it loads the graph.
    """
    step = build.array("one_127th", np.array(1 / 127, np.float32))
    centre = build.array("centre", np.array(128, np.uint8))
    size = build.once("Abs", [source], f"{source}.size")
    largest = build.once("ReduceMax", [size, build.constant("last_axis", [-1])], f"{source}.largest", keepdims=1)
    unit = build.once("Div", [source, largest], f"{source}.unit")
    codes = build.once("QuantizeLinear", [unit, step, centre], f"{source}.codes")
    flipped = build.node("BitwiseXor", [f"{weight}.rows", centre], f"{weight}.flipped")
    signed = build.node("Cast", [flipped], f"{weight}.signed", to=TensorProto.INT8)
    columns = build.node("Transpose", [signed], f"{weight}.columns", perm=[1, 0])
    product = build.node(
        "MatMulIntegerToFloat",
        [codes, columns, step, f"{weight}.row_scales", centre],
        f"{output}.product",
        MICROSOFT,
    )
    return build.node("Mul", [product, largest], output)
