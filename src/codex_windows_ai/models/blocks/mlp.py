"""The gated MLP SwiGLU (arXiv 2002.05202): down(silu(gate) * up)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_windows_ai.models.blocks.weights import Matrix

if TYPE_CHECKING:
    from codex_windows_ai.models.blocks.graph_builder import GraphBuilder
    from codex_windows_ai.models.blocks.norm import Norm
    from codex_windows_ai.models.blocks.products import Products
    from codex_windows_ai.models.spec import MlpSpec


class Mlp:
    """The MLP of one layer, which reads `norm`."""

    def __init__(self, layer: int, spec: MlpSpec, norm: Norm) -> None:
        hidden_size = norm.weight.size
        self._layer = layer
        self._gate, self._up = (
            Matrix(part, layer, spec.size, hidden_size, norm=norm.weight, row_scales=True) for part in ("gate", "up")
        )
        self._down = Matrix("down", layer, hidden_size, spec.size)
        self.matrices = (self._gate, self._up, self._down)

    def build(self, build: GraphBuilder, products: Products, normed: str) -> str:
        """From and to [batch, sequence, hidden_size]."""
        at = f"layers.{self._layer}"
        gate = products.multiply(build, self._gate, normed, f"{at}.gate.output")
        up = products.multiply(build, self._up, normed, f"{at}.up.output")
        silu = build.node("Mul", [gate, build.node("Sigmoid", [gate], f"{at}.sigmoid")], f"{at}.silu")
        gated = build.node("Mul", [silu, up], f"{at}.gated")
        return products.multiply(build, self._down, gated, f"{at}.down.output")
