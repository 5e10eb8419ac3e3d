"""Which tensors of a GGUF file hold the weights of the blocks, and in which order of rows.

The names are llama.cpp's (gguf-py/gguf/constants.py), which all families share; a family that stores a weight
otherwise says so in its own `Layout`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

TENSORS: Mapping[str, tuple[str, ...]] = {
    "embedding": ("token_embd",),
    "final_norm": ("output_norm",),
    "output": ("output",),
    "attention_norm": ("attn_norm",),
    "query_key_value": ("attn_q", "attn_k", "attn_v"),
    "attention_output": ("attn_output",),
    "feed_forward_norm": ("ffn_norm",),
    "gate_up": ("ffn_gate", "ffn_up"),
    "down": ("ffn_down",),
}
"""For each part of a decoder the tensors that are stacked in it, without `blk.N.` and without `.weight` or `.bias`."""

_BIAS = ".bias"


@dataclass(frozen=True, slots=True)
class Layout:
    """How one family stores its weights."""

    tensors: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: TENSORS)
    interleaved: frozenset[str] = frozenset()
    """Tensors whose rows are stored for a rotation of neighbours: of each head, the two halves take turns."""

    def tensors_of(self, part: str, layer: int | None) -> list[str]:
        """Full names of the tensors that make up a `blocks.weights` part."""
        suffix = "bias" if part.endswith(_BIAS) else "weight"
        block = "" if layer is None else f"blk.{layer}."
        return [f"{block}{tensor}.{suffix}" for tensor in self.tensors[part.removesuffix(_BIAS)]]

    def is_interleaved(self, tensor: str) -> bool:
        """Whether a tensor, given by its full name, is stored so."""
        return tensor.split(".")[-2] in self.interleaved
