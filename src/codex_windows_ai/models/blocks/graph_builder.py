"""Collects the nodes and constants of an ONNX graph; what the blocks are written with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onnx import GraphProto, NodeProto

MICROSOFT = "com.microsoft"
"""The domain of ONNX Runtime's own operators."""


class GraphBuilder:
    """Collects nodes; each method returns the name of its output. A branch shares its graph's constants."""

    def __init__(self, parent: GraphBuilder | None = None) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = [] if parent is None else parent.constants
        self._named: set[str] = set() if parent is None else parent._named
        self.used: set[str] = set() if parent is None else parent.used
        """Names that any node reads."""
        self._made: set[str] = set()

    def node(self, operator: str, inputs: Sequence[str], output: str, domain: str = "", **attributes: Any) -> str:
        """A node with one output."""
        return self.nodes_of(operator, inputs, [output], domain, **attributes)

    def nodes_of(
        self, operator: str, inputs: Sequence[str], outputs: Sequence[str], domain: str = "", **attributes: Any
    ) -> str:
        """A node with several outputs; returns the first one's name."""
        self.used.update(inputs)
        self._made.update(outputs)
        self.nodes.append(helper.make_node(operator, inputs, outputs, name=outputs[0], domain=domain, **attributes))
        return outputs[0]

    def once(self, operator: str, inputs: Sequence[str], output: str, domain: str = "", **attributes: Any) -> str:
        """A node that is made once: the next block that asks for this output shares it."""
        return output if output in self._made else self.node(operator, inputs, output, domain, **attributes)

    def constant(self, name: str, values: Sequence[int]) -> str:
        """An int64 vector."""
        return self.array(name, np.array(values, np.int64))

    def array(self, name: str, values: np.ndarray[Any, Any]) -> str:
        """An initializer, which is made once: the next block that asks for this name shares it."""
        if name not in self._named:
            self._named.add(name)
            self.constants.append(numpy_helper.from_array(values, name))
        return name

    def reshape(self, source: str, shape: Sequence[int], output: str) -> str:
        """`source` in another shape; one size may be -1 for what is left, and 0 keeps one as it is."""
        name = "shape" + "".join(f"_{size}" for size in shape)
        return self.node("Reshape", [source, self.constant(name, shape)], output)

    def numbers(self, count: str, output: str) -> str:
        """0, 1, 2, …, as many as the int64 scalar `count` says; made once."""
        first, step = (self.array(name, np.array(number, np.int64)) for name, number in (("first", 0), ("step", 1)))
        return self.once("Range", [first, count, step], output)

    def once_reshaped(self, source: str, shape: Sequence[int], output: str) -> str:
        """As `reshape`, made once."""
        return output if output in self._made else self.reshape(source, shape, output)

    def scaled(self, source: str, factor: float, output: str) -> str:
        """`source` times a number; with 1 it is `source` itself."""
        if factor == 1:
            return source
        return self.node("Mul", [source, self.array(f"{output}.factor", np.array(factor, np.float32))], output)

    def branch(self, name: str, outputs: Sequence[str]) -> GraphProto:
        """What was collected as a branch of an `If`, which gives these float32 `outputs` of its nodes."""
        values = [helper.make_tensor_value_info(output, TensorProto.FLOAT, None) for output in outputs]
        return helper.make_graph(self.nodes, name, [], values)
