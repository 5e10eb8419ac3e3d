"""The two ends of a decoder: the embedding of tokens, and the head that gives their logits."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from codex_windows_ai.models.blocks.weights import Matrix, Vector
from codex_windows_ai.models.decoder_graph import LOGITS_TO_KEEP

if TYPE_CHECKING:
    from codex_windows_ai.models.blocks.graph_builder import GraphBuilder
    from codex_windows_ai.models.blocks.norm import Norm
    from codex_windows_ai.models.blocks.products import Products
    from codex_windows_ai.models.spec import DecoderSpec

INPUT_IDS = "input_ids"
LOGITS = "logits"
NEVER = -1e9
"""Is added to the logits of tokens that are never to be written."""


class Embedding:
    """The embedding of tokens; one that is also the head's matrix takes the smoothing factors of `final_norm`."""

    def __init__(self, spec: DecoderSpec, final_norm: Norm) -> None:
        norm = final_norm.weight if spec.tied_embeddings else None
        self.matrix = Matrix("embedding", None, spec.vocabulary_size, spec.hidden_size, norm=norm)
        self._scale = spec.embedding_scale

    def build(self, build: GraphBuilder, products: Products) -> str:
        """From the token ids of `INPUT_IDS`, [batch, sequence], to [batch, sequence, hidden_size]."""
        return build.scaled(products.embed(build, self.matrix, INPUT_IDS), self._scale, "embedding.scaled")


class Head:
    """The output projection, which reads `final_norm`; tied, its matrix is the embedding by another name."""

    def __init__(self, spec: DecoderSpec, final_norm: Norm) -> None:
        size, norm = spec.vocabulary_size, final_norm.weight
        bias = Vector("output.bias", None, size) if spec.output_bias else None
        self.matrix = Matrix("output", None, size, spec.hidden_size, norm=norm, bias=bias)
        self._scale, self._softcap = spec.logit_scale, spec.logit_softcap
        self._suppressed = spec.suppressed

    def build(self, build: GraphBuilder, products: Products, normed: str) -> str:
        """From [batch, kept, hidden_size] to `LOGITS`, [batch, kept, vocabulary_size]."""
        if not self._suppressed:
            return self._logits(build, products, normed, LOGITS)
        bias = np.zeros(self.matrix.rows, np.float32)
        bias[list(self._suppressed)] = NEVER
        logits = self._logits(build, products, normed, "output.free")
        return build.node("Add", [logits, build.array("output.suppressed", bias)], LOGITS)

    def _logits(self, build: GraphBuilder, products: Products, normed: str, output: str) -> str:
        if self._scale == 1 and not self._softcap:
            return products.multiply(build, self.matrix, normed, output)
        product = products.multiply(build, self.matrix, normed, "output.product")
        if not self._softcap:
            return build.scaled(product, self._scale, output)
        shrunk = build.scaled(product, self._scale / self._softcap, "output.shrunk")
        return build.scaled(build.node("Tanh", [shrunk], "output.tanh"), self._softcap, output)


def keep_positions(build: GraphBuilder, *sources: str) -> list[str]:
    """Of each source `source[:, -logits_to_keep:]`: with 0 that is everything, as -0 is the first position."""
    build.constant(LOGITS_TO_KEEP, [0])
    start = build.node("Neg", [LOGITS_TO_KEEP], "kept_start")
    end, axis = build.constant("end", [np.iinfo(np.int64).max]), build.constant("axis_1", [1])
    return [build.node("Slice", [source, start, end, axis], f"{source}.kept") for source in sources]
