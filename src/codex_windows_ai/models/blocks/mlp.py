"""The gated MLP (arXiv 2002.05202): down(activation(gate) * up)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_windows_ai.models.blocks.weights import Experts, Matrix, Vector
from codex_windows_ai.models.spec import Activation

if TYPE_CHECKING:
    from codex_windows_ai.models.blocks.graph_builder import GraphBuilder
    from codex_windows_ai.models.blocks.norm import Norm
    from codex_windows_ai.models.blocks.products import Products
    from codex_windows_ai.models.spec import MlpSpec


class Mlp:
    """The MLP of one layer, which reads `norm`; its parts go by their names behind `prefix`."""

    vectors: tuple[Vector, ...] = ()
    experts: tuple[Experts, ...] = ()

    def __init__(self, layer: int, spec: MlpSpec, norm: Norm, prefix: str = "") -> None:
        hidden_size = norm.weight.size
        self._at = f"layers.{layer}.{prefix}"
        self._activation = spec.activation

        def bias(part: str, size: int) -> Vector | None:
            return Vector(f"{prefix}{part}.bias", layer, size) if part in spec.biases else None

        self._gate, self._up = (
            Matrix(f"{prefix}{part}", layer, spec.size, hidden_size, norm=norm.weight, bias=bias(part, spec.size))
            for part in ("gate", "up")
        )
        self._down = Matrix(f"{prefix}down", layer, hidden_size, spec.size, bias=bias("down", hidden_size))
        self.matrices = (self._gate, self._up, self._down)

    def build(self, build: GraphBuilder, products: Products, normed: str) -> str:
        """From and to [batch, sequence, hidden_size]."""
        at = self._at
        gate = products.multiply(build, self._gate, normed, f"{at}gate.output")
        up = products.multiply(build, self._up, normed, f"{at}up.output")
        gated = build.node("Mul", [activated(build, self._activation, gate, at), up], f"{at}gated")
        return products.multiply(build, self._down, gated, f"{at}down.output")


def activated(build: GraphBuilder, activation: Activation, gate: str, at: str) -> str:
    """What a gate lets through, in nodes whose names begin with `at`."""
    if activation is Activation.GELU_TANH:
        return build.node("Gelu", [gate], f"{at}gelu", approximate="tanh")
    return build.node("Mul", [gate, build.node("Sigmoid", [gate], f"{at}sigmoid")], f"{at}silu")
