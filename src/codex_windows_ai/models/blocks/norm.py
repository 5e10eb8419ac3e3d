"""Root-mean-square norm (arXiv 1910.07467), alone or fused with the sum before it."""

from __future__ import annotations

from dataclasses import dataclass

from codex_windows_ai.models.blocks.graph_builder import MICROSOFT, GraphBuilder
from codex_windows_ai.models.blocks.weights import Vector


@dataclass(frozen=True, slots=True)
class Norm:
    """One norm; `output` is the name of what it computes."""

    weight: Vector
    epsilon: float
    output: str

    def apply(self, build: GraphBuilder, hidden: str) -> str:
        """The normalised `hidden`, [..., size]."""
        return normalised(build, hidden, self.weight.name, self.epsilon, self.output)

    def add_and_apply(self, build: GraphBuilder, source: str, residual: str) -> tuple[str, str]:
        """The normalised sum and the sum itself."""
        total = f"{self.output}.sum"
        inputs, outputs = [source, residual, self.weight.name], [self.output, "", "", total]
        build.nodes_of("SkipSimplifiedLayerNormalization", inputs, outputs, MICROSOFT, epsilon=self.epsilon)
        return self.output, total


def normalised(build: GraphBuilder, source: str, weight: str, epsilon: float, output: str) -> str:
    """The normalised `source`, [..., size], times `weight`, [size]."""
    return build.node("SimplifiedLayerNormalization", [source, weight], output, axis=-1, epsilon=epsilon, stash_type=1)
