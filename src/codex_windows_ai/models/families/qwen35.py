"""Qwen3.5, 3.6 and 3.8: most layers are gated delta nets, the others attention whose output is gated; of MLPs, or of
experts beside one that all tokens share.

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
    from collections.abc import Callable

    from codex_windows_ai.models.gguf.hyperparameters import Hyperparameters
    from codex_windows_ai.models.spec import MlpSpec, MoeSpec

_RECURRENT = "attention.recurrent_layers"


def _read(metadata: Hyperparameters) -> DecoderSpec:
    return replace(_decoder(metadata, metadata.mlp), family="qwen3_5_text")


def _read_experts(metadata: Hyperparameters) -> DecoderSpec:
    return replace(_decoder(metadata, metadata.mixture), family="qwen3_5_moe_text")


def _decoder(metadata: Hyperparameters, feed_forward: Callable[[int], MlpSpec | MoeSpec]) -> DecoderSpec:
    rope, linear = read_rope(metadata), _linear_attention(metadata)
    layers = [
        LayerSpec(
            linear
            if is_recurrent
            else replace(metadata.attention(layer, rope), head_norms=frozenset({"query", "key"}), gated=True),
            feed_forward(layer),
        )
        for layer, is_recurrent in enumerate(_recurrent_layers(metadata))
    ]
    return metadata.decoder(layers)


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


_LAYOUT = Layout({**TENSORS, "feed_forward_norm": "post_attention_norm"})

FAMILY = Family("qwen35", ("Qwen3.5", "Qwen3.6-27B", "Qwen3.8-27B"), _read, _LAYOUT)
EXPERTS = Family("qwen35moe", ("Qwen3.5-35B-A3B", "Qwen3.6-35B-A3B"), _read_experts, _LAYOUT)
