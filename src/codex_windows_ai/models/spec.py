"""What a decoder is, layer by layer: the hyperparameters that its blocks are built from.

A `DecoderSpec` says nothing about files. Which tensors hold the weights, and in which order of rows, is the
`gguf.layout.Layout` of a family; how a block computes is `blocks`. Sizes count elements.

Layers need not be alike: each names its own attention and MLP. A new kind of either (linear attention, experts) is
a new class here beside `AttentionSpec` or `MlpSpec`; a variant (a window, norms of queries and keys) is a new field
with a default that leaves the other families as they are.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RopeSpec:
    """Rotary position embedding (arXiv 2104.09864)."""

    size: int
    """Elements of a head that it turns, which come first in the head."""
    base: float
    linear_factor: float = 1.0
    """Divides all frequencies (position interpolation, arXiv 2306.15595)."""
    factors: tuple[float, ...] = ()
    """Llama 3's long-context factors, `size / 2` of them, which divide one frequency each; or none."""


@dataclass(frozen=True, slots=True)
class AttentionSpec:
    """Causal attention in which several query heads share a key/value head (arXiv 2305.13245)."""

    heads: int
    kv_heads: int
    head_size: int
    rope: RopeSpec
    bias: bool = False
    """Queries, keys and values have a bias."""

    @property
    def query_size(self) -> int:
        """Width of all query heads together."""
        return self.heads * self.head_size

    @property
    def key_size(self) -> int:
        """Width of all key (or value) heads together."""
        return self.kv_heads * self.head_size


@dataclass(frozen=True, slots=True)
class MlpSpec:
    """SwiGLU (arXiv 2002.05202)."""

    size: int
    """Width of the gate, and of what it gates."""


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """One layer: attention, then an MLP, each behind a norm and added to what it reads."""

    attention: AttentionSpec
    mlp: MlpSpec


@dataclass(frozen=True, slots=True)
class DecoderSpec:
    """A whole decoder: embedding, layers, a last norm, and the head (the output projection)."""

    family: str
    """The name of its family, which is also its `type` in the ONNX Runtime GenAI format."""
    layers: tuple[LayerSpec, ...]
    hidden_size: int
    vocabulary_size: int
    context_length: int
    norm_epsilon: float
    tied_embeddings: bool
    """The head is the embedding's own matrix."""

    @property
    def ropes(self) -> list[RopeSpec]:
        """The different rotary embeddings, in the order of the first layer that uses each."""
        return list(dict.fromkeys(layer.attention.rope for layer in self.layers))
