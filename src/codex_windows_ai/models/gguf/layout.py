"""Which tensor of a GGUF file holds which weight of the blocks, and in which order of rows.

The names are llama.cpp's (gguf-py/gguf/constants.py), which all families share; a family that stores a weight
otherwise says so in its own `Layout`.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

TENSORS: Mapping[str, str] = {
    "embedding": "token_embd",
    "final_norm": "output_norm",
    "output": "output",
    "attention_norm": "attn_norm",
    "query": "attn_q",
    "key": "attn_k",
    "value": "attn_v",
    "query_norm": "attn_q_norm",
    "key_norm": "attn_k_norm",
    "attention_output": "attn_output",
    "post_attention_norm": "post_attention_norm",
    "feed_forward_norm": "ffn_norm",
    "gate": "ffn_gate",
    "up": "ffn_up",
    "down": "ffn_down",
    "post_feed_forward_norm": "post_ffw_norm",
    "linear_input": "attn_qkv",
    "linear_gate": "attn_gate",
    "decay": "ssm_alpha",
    "beta": "ssm_beta",
    "step": "ssm_dt",
    "decay_scale": "ssm_a",
    "convolution": "ssm_conv1d",
    "context_norm": "ssm_norm",
    "linear_output": "ssm_out",
    "short_input": "shortconv.in_proj",
    "short_output": "shortconv.out_proj",
    "sinks": "attn_sinks",
    "router": "ffn_gate_inp",
    "experts.gate": "ffn_gate_exps",
    "experts.up": "ffn_up_exps",
    "experts.down": "ffn_down_exps",
    "shared.share": "ffn_gate_inp_shexp",
    "shared.gate": "ffn_gate_shexp",
    "shared.up": "ffn_up_shexp",
    "shared.down": "ffn_down_shexp",
    "layer_embedding": "per_layer_token_embd",
    "layer_projection": "per_layer_model_proj",
    "layer_projection_norm": "per_layer_proj_norm",
    "input_gate": "inp_gate",
    "input_projection": "proj",
    "post_input_norm": "post_norm",
    "output_scale": "layer_output_scale",
}
"""For each part of a decoder its tensor, without `blk.N.` and without `.weight` or `.bias`."""

FUSED: Mapping[str, tuple[str, ...]] = {
    "attn_qkv": ("query", "key", "value"),
    "ffn_up": ("gate", "up"),
    "ffn_gate_up_exps": ("experts.gate", "experts.up"),
}
"""Tensors that hold these parts one after the other, in files that lack the first part's own."""

_BIAS, _NORM = ".bias", "_norm"
_BARE = frozenset({"decay_scale"})
"""Parts whose tensors have neither ending."""


class Place(NamedTuple):
    """Where a part lies: in this tensor, which holds these parts one after the other."""

    tensor: str
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Layout:
    """How one family stores its weights."""

    tensors: Mapping[str, str] = field(default_factory=lambda: TENSORS)
    interleaved: frozenset[str] = frozenset()
    """Parts whose rows are stored for a rotation of neighbours: of each head, the two halves take turns."""

    def place(self, part: str, layer: int | None, present: Container[str]) -> Place:
        """Where a `blocks.weights` part lies in a file in which these tensors are `present`."""
        suffix = "bias" if part.endswith(_BIAS) else "weight"
        block = "" if layer is None else f"blk.{layer}."
        weight = part.removesuffix(_BIAS)
        for fused, parts in FUSED.items():
            whole, first = f"{block}{fused}.{suffix}", f"{block}{self.tensors[parts[0]]}.weight"
            if weight in parts and whole in present and first not in present:
                return Place(whole, parts if part == weight else tuple(f"{other}{_BIAS}" for other in parts))
        name = f"{block}{self.tensors[weight]}"
        return Place(name if part in _BARE else f"{name}.{suffix}", (part,))

    def is_interleaved(self, part: str) -> bool:
        """Whether the rows of a part, or its bias, or the weight of the norm of its heads, are stored so."""
        return part.removesuffix(_BIAS).removesuffix(_NORM) in self.interleaved
