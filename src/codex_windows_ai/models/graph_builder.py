"""Collects the nodes and constants of an ONNX graph; what the parts of `graph` are written with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from codex_windows_ai.models.quantization import BLOCK_SIZE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onnx import GraphProto, NodeProto

MICROSOFT = "com.microsoft"
"""The domain of ONNX Runtime's own operators."""

WEIGHT_BITS = 8

_INT8_ACTIVATIONS = 4  # MatMulNBits' accuracy_level


class GraphBuilder:
    """Collects nodes; each method returns the name of its output. A branch shares its graph's constants."""

    def __init__(self, parent: GraphBuilder | None = None) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = [] if parent is None else parent.constants
        self.used: set[str] = set() if parent is None else parent.used
        """Names that any node reads."""

    def node(self, operator: str, inputs: Sequence[str], output: str, domain: str = "", **attributes: Any) -> str:
        """A node with one output."""
        return self.nodes_of(operator, inputs, [output], domain, **attributes)

    def nodes_of(
        self, operator: str, inputs: Sequence[str], outputs: Sequence[str], domain: str = "", **attributes: Any
    ) -> str:
        """A node with several outputs; returns the first one's name."""
        self.used.update(inputs)
        self.nodes.append(helper.make_node(operator, inputs, outputs, name=outputs[0], domain=domain, **attributes))
        return outputs[0]

    def constant(self, name: str, values: Sequence[int]) -> str:
        """An int64 vector."""
        return self.array(name, np.array(values, np.int64))

    def array(self, name: str, values: np.ndarray[Any, Any]) -> str:
        """An initializer, which is made once, whoever asks for it by that name."""
        if all(tensor.name != name for tensor in self.constants):
            self.constants.append(numpy_helper.from_array(values, name))
        return name

    def reshape(self, source: str, shape: Sequence[int], output: str) -> str:
        """`source` in another shape; one size may be -1 for what is left, and 0 keeps one as it is."""
        name = "shape" + "".join(f"_{size}" for size in shape)
        return self.node("Reshape", [source, self.constant(name, shape)], output)

    def branch(self, name: str, outputs: Sequence[str]) -> GraphProto:
        """What was collected as a branch of an `If`, which gives these float32 `outputs` of its nodes."""
        values = [helper.make_tensor_value_info(output, TensorProto.FLOAT, None) for output in outputs]
        return helper.make_graph(self.nodes, name, [], values)

    def matmul(self, source: str, weight: str, columns: int, rows: int, output: str, bias: str = "") -> str:
        """The product with a matrix quantised in blocks."""
        inputs = [source, f"{weight}.codes", f"{weight}.scales", f"{weight}.zero_points"]
        if bias:
            inputs += ["", bias]  # the input between is the group index
        return self.node(
            "MatMulNBits",
            inputs,
            output,
            MICROSOFT,
            K=columns,
            N=rows,
            bits=WEIGHT_BITS,
            block_size=BLOCK_SIZE,
            accuracy_level=_INT8_ACTIVATIONS,
        )

    def integer_matmul(self, source: str, weight: str, output: str) -> str:
        """The product with a matrix that has one scale a row, each row of `source` rounded to 8 bits with one too.

        Kernels are fast for uint8 activations with int8 weights, so the weights' codes change their sign
        bit; ONNX Runtime folds what is constant when it loads the graph.
        """
        step = self.array("one_127th", np.array(1 / 127, np.float32))
        centre = self.array("centre", np.array(128, np.uint8))
        size = self.node("Abs", [source], f"{output}.size")
        largest = self.node("ReduceMax", [size, self.constant("last_axis", [-1])], f"{output}.largest", keepdims=1)
        unit = self.node("Div", [source, largest], f"{output}.unit")
        codes = self.node("QuantizeLinear", [unit, step, centre], f"{output}.codes")
        flipped = self.node("BitwiseXor", [f"{weight}.rows", centre], f"{weight}.flipped")
        signed = self.node("Cast", [flipped], f"{weight}.signed", to=TensorProto.INT8)
        columns = self.node("Transpose", [signed], f"{weight}.columns", perm=[1, 0])
        product = self.node(
            "MatMulIntegerToFloat",
            [codes, columns, step, f"{weight}.row_scales", centre],
            f"{output}.product",
            MICROSOFT,
        )
        return self.node("Mul", [product, largest], output)

    def add_and_norm(self, source: str, residual: str, weight: str, epsilon: float, output: str) -> tuple[str, str]:
        """The normalised sum and the sum itself."""
        total = f"{output}.sum"
        inputs, outputs = [source, residual, weight], [output, "", "", total]
        self.nodes_of("SkipSimplifiedLayerNormalization", inputs, outputs, MICROSOFT, epsilon=epsilon)
        return output, total
