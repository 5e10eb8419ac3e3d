"""The gated MLP SwiGLU (arXiv 2002.05202): down(silu(gate) * up), gate and up as one product."""

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
        (hidden_size,) = norm.weight.sizes
        self._layer = layer
        self._gate_up = Matrix("gate_up", layer, (spec.size, spec.size), hidden_size, norm=norm.weight, row_scales=True)
        self._down = Matrix("down", layer, (hidden_size,), spec.size)
        self.matrices = (self._gate_up, self._down)

    def build(self, build: GraphBuilder, products: Products, normed: str) -> str:
        """From and to [batch, sequence, hidden_size]."""
        at = f"layers.{self._layer}"
        both = products.multiply(build, self._gate_up, normed, f"{at}.gate_up.output")
        build.nodes_of("Split", [both], [f"{at}.gate", f"{at}.up"], axis=-1, num_outputs=2)
        sigmoid = build.node("Sigmoid", [f"{at}.gate"], f"{at}.sigmoid")
        silu = build.node("Mul", [f"{at}.gate", sigmoid], f"{at}.silu")
        gated = build.node("Mul", [silu, f"{at}.up"], f"{at}.gated")
        return products.multiply(build, self._down, gated, f"{at}.down.output")
