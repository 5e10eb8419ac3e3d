"""Inputs of layers (per-layer embeddings, Gemma 3n and 4): what each token brings to every layer by itself.

A second embedding has a row for each token with a piece for each layer. To these comes a product of the token's first
embedding, normalised piece by piece. A layer weighs its piece by a gate of its hidden state, and adds what it makes of
it behind the MLP. Rows of the table, most of a small model's weights, are looked up, and never multiplied.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from codex_windows_ai.models.blocks.mlp import activated
from codex_windows_ai.models.blocks.norm import Norm
from codex_windows_ai.models.blocks.weights import Matrix, Vector
from codex_windows_ai.models.spec import Activation

if TYPE_CHECKING:
    from codex_windows_ai.models.blocks.graph_builder import GraphBuilder
    from codex_windows_ai.models.blocks.products import Products
    from codex_windows_ai.models.spec import DecoderSpec

_ACTIVATION = Activation.GELU_TANH  # of all families that have such inputs


class LayerInputs:
    """The inputs of all layers."""

    def __init__(self, spec: DecoderSpec) -> None:
        self._spec = spec
        width = spec.layer_input_size * len(spec.layers)
        self.table = Matrix("layer_embedding", None, spec.vocabulary_size, width)
        self.projection = Matrix("layer_projection", None, width, spec.hidden_size)
        self.norm = Norm(
            Vector("layer_projection_norm", None, spec.layer_input_size), spec.norm_epsilon, "layer_projection.normed"
        )

    def build(self, build: GraphBuilder, products: Products, ids: str, hidden: str) -> list[str]:
        """For each layer [batch, sequence, layer_input_size], from token ids and their scaled embedding."""
        spec, size = self._spec, self._spec.layer_input_size
        projected = products.multiply(build, self.projection, hidden, "layer_projection.output")
        projected = build.scaled(projected, spec.hidden_size**-0.5, "layer_projection.scaled")
        projected = self.norm.apply(build, build.reshape(projected, [0, 0, -1, size], "layer_projection.apart"))
        own = build.scaled(products.embed(build, self.table, ids), math.sqrt(size), "layer_embedding.scaled")
        own = build.reshape(own, [0, 0, -1, size], "layer_embedding.apart")
        both = build.scaled(build.node("Add", [projected, own], "layer_inputs.sum"), 0.5**0.5, "layer_inputs.scaled")
        pieces = [f"layers.{layer}.input" for layer in range(len(spec.layers))]
        whole = build.reshape(both, [0, 0, size * len(pieces)], "layer_inputs")
        build.nodes_of("Split", [whole], pieces, axis=-1, num_outputs=len(pieces))
        return pieces


class LayerInput:
    """What one layer makes of its input."""

    def __init__(self, layer: int, decoder: DecoderSpec) -> None:
        size, hidden_size = decoder.layer_input_size, decoder.hidden_size
        self._layer = layer
        self._gate = Matrix("input_gate", layer, size, hidden_size)
        self._projection = Matrix("input_projection", layer, hidden_size, size)
        self.norm = Norm(Vector("post_input_norm", layer, hidden_size), decoder.norm_epsilon, f"layers.{layer}.brought")
        self.matrices = (self._gate, self._projection)

    def build(self, build: GraphBuilder, products: Products, layer_input: str, hidden: str) -> str:
        """The hidden state with it, [batch, sequence, hidden_size]."""
        at = f"layers.{self._layer}.input"
        gate = products.multiply(build, self._gate, hidden, f"{at}_gate.output")
        weighed = build.node("Mul", [activated(build, _ACTIVATION, gate, f"{at}_"), layer_input], f"{at}_weighed")
        brought = products.multiply(build, self._projection, weighed, f"{at}_projection.output")
        return build.node("Add", [hidden, self.norm.apply(build, brought)], f"{at}_added")
