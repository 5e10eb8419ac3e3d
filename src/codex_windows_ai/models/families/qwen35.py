"""Qwen3.5, 3.6 and 3.8: most layers are gated delta nets, the others attention whose output is gated.

llama.cpp's converter has added the 1 to the weights of the norms, and put value heads in an order in which all key
heads take turns.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from codex_windows_ai.errors import ModelFileError, UnsupportedModelError
from codex_windows_ai.models.families.family import Family
from codex_windows_ai.models.gguf.layout import TENSORS, Layout
from codex_windows_ai.models.gguf.rope_scaling import read_rope
from codex_windows_ai.models.spec import DecoderSpec, LayerSpec, LinearAttentionSpec

if TYPE_CHECKING:
    from codex_windows_ai.models.gguf.hyperparameters import Hyperparameters

_RECURRENT = "attention.recurrent_layers"


def _read(metadata: Hyperparameters) -> DecoderSpec:
    rope, linear = read_rope(metadata), _linear_attention(metadata)
    layers = [
        LayerSpec(
            linear
            if is_recurrent
            else replace(metadata.attention(layer, rope), head_norms=frozenset({"query", "key"}), gated=True),
            metadata.mlp(layer),
        )
        for layer, is_recurrent in enumerate(_recurrent_layers(metadata))
    ]
    return replace(metadata.decoder(layers), family="qwen3_5_text")


def _linear_attention(metadata: Hyperparameters) -> LinearAttentionSpec:
    heads, width = metadata.size("ssm.time_step_rank"), metadata.size("ssm.inner_size")
    if width % heads:
        raise UnsupportedModelError(
            f"{metadata.file.path} cannot be run: `{metadata.key('ssm.inner_size')}` is {width}, which {heads} heads "
            "do not share evenly."
        )
    return LinearAttentionSpec(
        key_heads=metadata.size("ssm.group_count"),
        value_heads=heads,
        key_head_size=metadata.size("ssm.state_size"),
        value_head_size=width // heads,
        kernel=metadata.size("ssm.conv_kernel"),
    )


def _recurrent_layers(metadata: Hyperparameters) -> list[bool]:
    """For each layer whether it has a state; files say it layer by layer, and may have another interval beside it."""
    count, every = metadata.layer_count(), metadata.size("full_attention_interval", 4)
    listed = metadata.file.metadata.get(metadata.key(_RECURRENT))
    if not isinstance(listed, list):
        return [(layer + 1) % every != 0 for layer in range(count)]
    if len(listed) < count:
        raise ModelFileError(f"{metadata.file.path}: `{metadata.key(_RECURRENT)}` is too short.")
    return [bool(value) for value in listed[:count]]


FAMILY = Family(
    "qwen35",
    ("Qwen3.5", "Qwen3.6 (dense)", "Qwen3.8"),
    _read,
    Layout({**TENSORS, "feed_forward_norm": "post_attention_norm"}),
)
