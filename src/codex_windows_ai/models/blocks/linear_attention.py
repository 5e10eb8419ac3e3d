"""Linear attention: the gated delta rule (arXiv 2412.06464) of Qwen3.5, behind a short causal convolution.

A state [key head size, value head size] for each value head takes the place of keys and values. ONNX Runtime has fused
operators for what is around `LinearAttention`, too (GatedDeltaNet, CausalConvWithState, GatedRMSNorm); on processors
they take two to fifteen times as long as the plain ones that stand here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from codex_windows_ai.models.blocks.convolution import CausalConvolution
from codex_windows_ai.models.blocks.graph_builder import MICROSOFT, GraphBuilder
from codex_windows_ai.models.blocks.mlp import activated
from codex_windows_ai.models.blocks.norm import Norm, normalised
from codex_windows_ai.models.blocks.weights import Matrix, Vector
from codex_windows_ai.models.decoder_graph import PAST_STATE, PRESENT_STATE
from codex_windows_ai.models.spec import Activation

if TYPE_CHECKING:
    from codex_windows_ai.models.blocks.attention import AttentionInputs, Shape
    from codex_windows_ai.models.blocks.products import Products
    from codex_windows_ai.models.spec import LinearAttentionSpec

_UNIT_EPSILON = 1e-6
"""Is added to the square of a query's or key's length, before it is made 1."""


class LinearAttention:
    """The linear attention of one layer, which reads `norm` and gives [batch, sequence, hidden_size].

    `past` and `present` are the inputs and outputs of the graph that carry its state from pass to pass, by name.
    """

    def __init__(self, layer: int, spec: LinearAttentionSpec, norm: Norm) -> None:
        self._layer, self._spec = layer, spec
        self._at = f"layers.{layer}"
        hidden_size = norm.weight.size

        def read(part: str, rows: int, *, chooses: bool = False) -> Matrix:
            return Matrix(part, layer, rows, hidden_size, norm=norm.weight, chooses=chooses)

        self._input, self._gate = read("linear_input", spec.channels), read("linear_gate", spec.value_size)
        self._decay, self._beta = (read(part, spec.value_heads, chooses=True) for part in ("decay", "beta"))
        self._output = Matrix("linear_output", layer, hidden_size, spec.value_size)
        self.matrices = (self._input, self._gate, self._decay, self._beta, self._output)
        self._convolution = CausalConvolution(layer, spec.channels, spec.kernel)
        self._step, self._scale = (Vector(part, layer, spec.value_heads) for part in ("step.bias", "decay_scale"))
        self._norm = Norm(
            Vector("context_norm", layer, spec.value_head_size), norm.epsilon, f"{self._at}.context.heads.normed"
        )
        self.norms = (self._norm,)
        self.vectors = (self._convolution.taps, self._step, self._scale)
        state: Shape = ("batch", spec.value_heads, spec.key_head_size, spec.value_head_size)
        self.past = self._convolution.past | {PAST_STATE % layer: state}
        self.present = self._convolution.present | {PRESENT_STATE % layer: state}

    def context(self, build: GraphBuilder, products: Products, inputs: AttentionInputs, normed: str) -> str:
        """What the heads read, gated: [batch, sequence, value_size]."""
        spec, at = self._spec, self._at
        query, key, value = self._read(build, products.multiply(build, self._input, normed, f"{at}.linear"))
        decay, beta = self._gates(build, products, normed)
        context = build.nodes_of(
            "LinearAttention",
            [query, key, value, PAST_STATE % self._layer, decay, beta],
            [f"{at}.context", PRESENT_STATE % self._layer],
            MICROSOFT,
            q_num_heads=spec.value_heads,
            kv_num_heads=spec.value_heads,
            update_rule="gated_delta",
        )
        heads = build.reshape(context, [0, 0, -1, spec.value_head_size], f"{context}.heads")
        normal = build.reshape(self._norm.apply(build, heads), [0, 0, spec.value_size], f"{context}.normed")
        gate = products.multiply(build, self._gate, normed, f"{at}.linear_gate.output")
        gate = activated(build, Activation.SILU, gate, f"{gate}.")
        return build.node("Mul", [normal, gate], f"{context}.gated")

    def project(self, build: GraphBuilder, products: Products, context: str) -> str:
        """The product of what the heads read with the output matrix."""
        return products.multiply(build, self._output, context, f"{self._at}.linear_output.output")

    def _gates(self, build: GraphBuilder, products: Products, normed: str) -> tuple[str, str]:
        """How much of its state each head keeps, as a logarithm, and how much it takes: [batch, sequence, heads]."""
        step, beta = (
            products.multiply(build, matrix, normed, f"{matrix.name}.output") for matrix in (self._decay, self._beta)
        )
        gates = [f"{self._at}.kept", f"{self._at}.taken"]
        build.nodes_of("LinearAttentionGate", [step, self._step.name, self._scale.name, beta], gates, MICROSOFT)
        return gates[0], gates[1]

    def _read(self, build: GraphBuilder, read: str) -> tuple[str, str, str]:
        """Queries and keys of unit length, and values, each with `value_heads` heads: what `read` is convolved to."""
        spec, at = self._spec, self._at
        sizes = build.constant(
            f"sizes_{spec.key_size}_{spec.value_size}", [spec.key_size, spec.key_size, spec.value_size]
        )
        parts = [f"{at}.{part}" for part in ("query", "key", "value")]
        convolved = self._convolution.apply(build, read)
        build.nodes_of("Split", [activated(build, Activation.SILU, convolved, f"{convolved}."), sizes], parts, axis=-1)
        query, key = (self._by_value_head(build, self._unit(build, part)) for part in parts[:2])
        return query, key, parts[2]

    def _unit(self, build: GraphBuilder, source: str) -> str:
        """Each head of queries or keys with the length 1."""
        size = self._spec.key_head_size
        heads = build.reshape(source, [0, 0, -1, size], f"{source}.heads")
        weight = build.array(f"unit_{size}", np.full(size, size**-0.5, np.float32))
        unit = normalised(build, heads, weight, _UNIT_EPSILON / size, f"{source}.unit")
        return build.reshape(unit, [0, 0, self._spec.key_size], f"{source}.together")

    def _by_value_head(self, build: GraphBuilder, source: str) -> str:
        """Of queries or keys as many heads as of values: all of them, again and again."""
        times = self._spec.value_heads // self._spec.key_heads
        return build.node("Concat", [source] * times, f"{source}.tiled", axis=-1) if times > 1 else source
