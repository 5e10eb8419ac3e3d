"""A mixture of experts: a router sends each token to a few of them, and what they give is weighed and added up.

Each of a token's experts is a route, and a row of its own of the operator that computes experts, which is told the
expert and not left to choose. Given the tokens and the router's scores instead, ONNX Runtime 1.32 adds up a token's
experts in an order that depends on how many others of the pass are sent to each, and ignores on processors that
weights may be left unnormalised (`normalize_routing_weights=0`); so routing and sums are plain nodes here.

A token alone in a pass so gets the bits that it gets among others, as far as kernels for one row and for several give
the same. The rows of gate and up take turns, as processors want them: docs/models.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from codex_windows_ai.models.blocks.expert_products import multiply_experts
from codex_windows_ai.models.blocks.mlp import Mlp
from codex_windows_ai.models.blocks.weights import Experts, Matrix, Vector

if TYPE_CHECKING:
    from codex_windows_ai.models.blocks.graph_builder import GraphBuilder
    from codex_windows_ai.models.blocks.norm import Norm
    from codex_windows_ai.models.blocks.products import Products
    from codex_windows_ai.models.spec import MoeSpec

GATE_AND_UP, DOWN = ("experts.gate", "experts.up"), ("experts.down",)
_SHARED = "shared."


class Moe:
    """The experts of one layer, which read `norm`."""

    def __init__(self, layer: int, spec: MoeSpec, norm: Norm) -> None:
        hidden_size, count = norm.weight.size, spec.experts
        self._at = f"layers.{layer}.experts"
        self._spec = spec
        self._hidden_size = hidden_size
        bias = Vector("router.bias", layer, count) if "router" in spec.biases else None
        self._router = Matrix("router", layer, count, hidden_size, bias=bias, chooses=True)
        self.experts = (
            Experts("experts.in", GATE_AND_UP, layer, count, 2 * spec.size, hidden_size, "gate" in spec.biases),
            Experts("experts.out", DOWN, layer, count, hidden_size, spec.size, "down" in spec.biases),
        )
        self._shared = Mlp(layer, spec.shared, norm, _SHARED) if spec.shared else None
        self._share = Vector(f"{_SHARED}share", layer, hidden_size)
        self.matrices = (self._router, *(self._shared.matrices if self._shared else ()))
        self.vectors = (self._share,) if self._shared else ()

    def build(self, build: GraphBuilder, products: Products, normed: str) -> str:
        """From and to [batch, sequence, hidden_size]."""
        at, spec = self._at, self._spec
        tokens = build.reshape(normed, [-1, self._hidden_size], f"{at}.tokens")
        scores = products.multiply(build, self._router, tokens, f"{at}.scores")
        best, chosen = f"{at}.best", f"{at}.chosen"
        build.nodes_of("TopK", [scores, build.constant(f"used_{spec.used}", [spec.used])], [best, chosen], axis=-1)
        weights = build.node("Softmax", [best], f"{at}.weights", axis=-1)
        routes = multiply_experts(
            build, products, self.experts, self._routed(build, tokens), self._told(build, chosen), spec
        )
        apart = build.reshape(routes, [-1, spec.used, self._hidden_size], f"{at}.apart")
        row = build.reshape(weights, [-1, 1, spec.used], f"{at}.weight_rows")
        mixed = build.node("MatMul", [row, apart], f"{at}.mixed")  # of each token by itself
        mixed = build.scaled(mixed, spec.scale, f"{at}.scaled")
        mixed = build.node("Reshape", [mixed, build.node("Shape", [normed], f"{at}.shape")], f"{at}.output")
        return self._with_shared(build, products, normed, mixed)

    def _routed(self, build: GraphBuilder, tokens: str) -> str:
        """From [tokens, hidden_size] to [routes, hidden_size]: each as often as it has experts."""
        used, size = self._spec.used, self._hidden_size
        apart = build.reshape(tokens, [-1, 1, size], f"{self._at}.token_rows")
        often = build.node("Expand", [apart, build.constant(f"each_{used}", [1, used, 1])], f"{self._at}.repeated")
        return build.reshape(often, [-1, size], f"{self._at}.routes")

    def _told(self, build: GraphBuilder, chosen: str) -> str:
        """Scores [routes, experts] by which nothing but the chosen expert can win, from its numbers [tokens, used]."""
        flat = build.reshape(chosen, [-1], f"{self._at}.route_experts")
        count = build.constant(f"experts_{self._spec.experts}", [self._spec.experts])
        values = build.array("no_and_yes", np.array([0, 1], np.float32))
        return build.node("OneHot", [flat, count, values], f"{self._at}.told", axis=-1)

    def _with_shared(self, build: GraphBuilder, products: Products, normed: str, mixed: str) -> str:
        """Plus what the shared expert gives, as far as its share goes."""
        if self._shared is None:
            return mixed
        at = f"{self._at}.share"
        shared = self._shared.build(build, products, normed)
        weighed = build.node("Mul", [normed, self._share.name], f"{at}.weighed")
        total = build.node("ReduceSum", [weighed, build.constant("last_axis", [-1])], f"{at}.sum", keepdims=1)
        share = build.node("Mul", [shared, build.node("Sigmoid", [total], f"{at}.sigmoid")], f"{at}.shared")
        return build.node("Add", [mixed, share], f"{at}.added")
