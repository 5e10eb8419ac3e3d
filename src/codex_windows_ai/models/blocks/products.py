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

if TYPE_CHECKING:
    from codex_windows_ai.models.blocks.weights import Matrix

WEIGHT_BITS = 8
BLOCK_SIZE = 32
"""Columns with one scale and one zero point."""

_INT8_ACTIVATIONS = 4  # MatMulNBits' accuracy_level


class Products(Protocol):
    """One way to read matrices; every block multiplies through it."""

    def multiply(self, build: GraphBuilder, matrix: Matrix, source: str, output: str) -> str:
        """`source` [..., columns] times the transposed matrix, plus its bias: [..., rows]."""
        ...

    def embed(self, build: GraphBuilder, matrix: Matrix, ids: str) -> str:
        """The rows `ids` of the matrix: [batch, sequence, columns]."""
        ...


@dataclass(frozen=True, slots=True)
class QuantizedProducts:
    """Matrices of 8 bits in blocks, as `convert.weights` writes them."""

    integers: bool = False
    """Matrices with one scale a row are multiplied as integers, which ONNX Runtime's CPU kernels do faster."""

    def multiply(self, build: GraphBuilder, matrix: Matrix, source: str, output: str) -> str:
        """The product with codes, scales and zero points."""
        if self.integers and matrix.row_scales:
            return multiply_integers(build, source, matrix.name, output)
        inputs = [source, f"{matrix.name}.codes", f"{matrix.name}.scales", f"{matrix.name}.zero_points"]
        if matrix.bias:
            inputs += ["", matrix.bias.name]  # the input between is the group index
        return build.node(
            "MatMulNBits",
            inputs,
            output,
            MICROSOFT,
            K=matrix.columns,
            N=matrix.rows,
            bits=WEIGHT_BITS,
            block_size=BLOCK_SIZE,
            accuracy_level=_INT8_ACTIVATIONS,
        )

    def embed(self, build: GraphBuilder, matrix: Matrix, ids: str) -> str:
        """The rows; those of a matrix that is also the head are smoothed for that, which is undone here."""
        rows = build.node(
            "GatherBlockQuantized",
            [f"{matrix.name}.rows", ids, f"{matrix.name}.scales", f"{matrix.name}.zero_points"],
            matrix.name,
            MICROSOFT,
            bits=WEIGHT_BITS,
            block_size=BLOCK_SIZE,
            gather_axis=0,
            quantize_axis=1,
        )
        if matrix.norm:
            return build.node("Mul", [rows, f"{matrix.name}.unsmoothing"], f"{matrix.name}.plain")
        return rows


@dataclass(frozen=True, slots=True)
class FloatProducts:
    """Matrices of float32 [rows, columns] that are as the file has them."""

    def multiply(self, build: GraphBuilder, matrix: Matrix, source: str, output: str) -> str:
        """A plain product."""
        if matrix.bias is None:
            return build.node("FusedMatMul", [source, matrix.name], output, MICROSOFT, transB=1)
        product = build.node("FusedMatMul", [source, matrix.name], f"{output}.unbiased", MICROSOFT, transB=1)
        return build.node("Add", [product, matrix.bias.name], output)

    def embed(self, build: GraphBuilder, matrix: Matrix, ids: str) -> str:
        """The rows."""
        return build.node("Gather", [matrix.name, ids], f"{matrix.name}.gathered", axis=0)


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
