"""LFM2 and LFM2.5: short convolutions in most layers, Qwen3's attention in the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_windows_ai.models.families.family import Family
from codex_windows_ai.models.gguf.layout import TENSORS, Layout
from codex_windows_ai.models.gguf.rope_scaling import read_rope
from codex_windows_ai.models.spec import DecoderSpec, LayerSpec, ShortConvolutionSpec

if TYPE_CHECKING:
    from codex_windows_ai.models.gguf.hyperparameters import Hyperparameters


def _read(metadata: Hyperparameters) -> DecoderSpec:
    rope, convolution = read_rope(metadata), ShortConvolutionSpec(metadata.size("shortconv.l_cache"))
    kv_heads = metadata.file.metadata.get(metadata.key("attention.head_count_kv"))
    without = [layer for layer, heads in enumerate(kv_heads) if not heads] if isinstance(kv_heads, list) else []
    layers = range(metadata.layer_count())
    with_attention = {
        layer: LayerSpec(metadata.attention(layer, rope), metadata.mlp(layer))
        for layer in layers
        if layer not in without
    }
    normed = dict(zip(with_attention, metadata.with_head_norms(list(with_attention.values())), strict=True))
    return metadata.decoder([normed.get(layer) or LayerSpec(convolution, metadata.mlp(layer)) for layer in layers])


FAMILY = Family(
    "lfm2",
    ("LFM2", "LFM2.5"),
    _read,
    Layout({**TENSORS, "final_norm": "token_embd_norm", "convolution": "shortconv.conv"}),
)
