"""A short causal convolution, each channel by itself, as shifts of the tokens; and the layers that are little else.

ONNX Runtime's CausalConvWithState takes three times as long for a token, and as long for many.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from codex_windows_ai.models.blocks.weights import Matrix, Vector
from codex_windows_ai.models.decoder_graph import PAST_CONV, PRESENT_CONV

if TYPE_CHECKING:
    from codex_windows_ai.models.blocks.attention import AttentionInputs, Shape
    from codex_windows_ai.models.blocks.graph_builder import GraphBuilder
    from codex_windows_ai.models.blocks.norm import Norm
    from codex_windows_ai.models.blocks.products import Products
    from codex_windows_ai.models.spec import ShortConvolutionSpec


class CausalConvolution:
    """The convolution of one layer over the last `kernel` tokens; `past` and `present` carry all but the first."""

    def __init__(self, layer: int, channels: int, kernel: int) -> None:
        self._at = f"layers.{layer}.convolution"
        self._kernel = kernel
        self._past, self._present = PAST_CONV % layer, PRESENT_CONV % layer
        self.taps = Vector("convolution", layer, channels, taps=kernel)
        seen: Shape = ("batch", kernel - 1, channels)
        self.past, self.present = {self._past: seen}, {self._present: seen}

    def apply(self, build: GraphBuilder, source: str) -> str:
        """From and to [batch, sequence, channels]: the sum of the last tokens, each times its tap."""
        kernel, at = self._kernel, self._at
        seen = build.node("Concat", [self._past, source], f"{at}.seen", axis=1)
        axis, total = build.constant("axis_1", [1]), ""
        for place in range(kernel):
            start = build.constant(f"from_{place}", [place])
            end = build.constant(f"to_{place - kernel + 1}", [place - kernel + 1 or np.iinfo(np.int64).max])
            shifted = build.node("Slice", [seen, start, end, axis], f"{at}.shifted_{place}")
            number = build.array(f"tap_{place}", np.array(place))
            tap = build.node("Gather", [self.taps.name, number], f"{at}.tap_{place}")
            tapped = build.node("Mul", [shifted, tap], f"{at}.tapped_{place}")
            total = build.node("Add", [total, tapped], f"{at}.sum_{place}") if total else tapped
        self._remember(build, seen)
        return total

    def _remember(self, build: GraphBuilder, seen: str) -> None:
        """Of the past and the new tokens the last ones."""
        kept = self._kernel - 1
        start, end = build.constant(f"last_{kept}", [-kept]), build.constant("end", [np.iinfo(np.int64).max])
        build.node("Slice", [seen, start, end, build.constant("axis_1", [1])], self._present)


class ShortConvolution:
    """What one layer has in the place of attention, which reads `norm`: a convolution between two gates (LFM2).

    `past` and `present` are the inputs and outputs of the graph that carry its state from pass to pass, by name.
    """

    def __init__(self, layer: int, spec: ShortConvolutionSpec, norm: Norm) -> None:
        size = norm.weight.size
        self._at = f"layers.{layer}"
        self._input = Matrix("short_input", layer, 3 * size, size, norm=norm.weight)
        self._output = Matrix("short_output", layer, size, size)
        self._convolution = CausalConvolution(layer, size, spec.kernel)
        self.matrices = (self._input, self._output)
        self.norms: tuple[Norm, ...] = ()
        self.vectors = (self._convolution.taps,)
        self.past, self.present = self._convolution.past, self._convolution.present

    def context(self, build: GraphBuilder, products: Products, inputs: AttentionInputs, normed: str) -> str:
        """From and to [batch, sequence, hidden_size]."""
        at = self._at
        read = products.multiply(build, self._input, normed, f"{at}.short_input.output")
        before, after, value = (f"{at}.{part}" for part in ("gate_before", "gate_after", "value"))
        build.nodes_of("Split", [read], [before, after, value], axis=-1, num_outputs=3)
        gated = build.node("Mul", [before, value], f"{at}.value.gated")
        return build.node("Mul", [after, self._convolution.apply(build, gated)], f"{at}.context")

    def project(self, build: GraphBuilder, products: Products, context: str) -> str:
        """The product with the output matrix."""
        return products.multiply(build, self._output, context, f"{self._at}.short_output.output")
