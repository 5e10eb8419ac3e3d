"""Gemma 2 and 3: scaled embeddings, norms before and behind all parts, GeGLU, windows in most layers.

llama.cpp's converter has added the 1 to the weights of the norms.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from codex_windows_ai.models.families.family import Family
from codex_windows_ai.models.gguf.rope_scaling import read_base, read_size
from codex_windows_ai.models.spec import Activation, DecoderSpec, LayerSpec, RopeSpec

if TYPE_CHECKING:
    from codex_windows_ai.models.gguf.hyperparameters import Hyperparameters

_LARGEST = {"gemma2": 46, "gemma3": 62}
"""Layers of the models with 27 billion parameters, which scale by another size than that of a head."""


def _read_gemma2(metadata: Hyperparameters) -> DecoderSpec:
    softcap = metadata.softcap("attn_logit_softcapping", 50.0)
    windows = metadata.windows(metadata.count("attention.sliding_window", 4096), every=2)
    layers = [
        replace(layer, attention=replace(layer.attention, softcap=softcap, window=window))
        for layer, window in zip(metadata.dense_layers(), windows, strict=True)
    ]
    return _decoder(metadata, layers, metadata.softcap("final_logit_softcapping", 30.0))


def _read_gemma3(metadata: Hyperparameters) -> DecoderSpec:
    near = RopeSpec(read_size(metadata), read_base(metadata, "rope.freq_base_swa"))
    windows = metadata.windows(metadata.count("attention.sliding_window", 0), every=6)
    layers = [
        replace(layer, attention=replace(layer.attention, window=window, rope=near)) if window else layer
        for layer, window in zip(metadata.with_head_norms(metadata.dense_layers()), windows, strict=True)
    ]
    return replace(_decoder(metadata, layers, metadata.softcap("final_logit_softcapping")), family="gemma3_text")


def _decoder(metadata: Hyperparameters, layers: list[LayerSpec], logit_softcap: float) -> DecoderSpec:
    hidden_size, heads = metadata.size("embedding_length"), metadata.size("attention.head_count", layer=0)
    is_largest = len(layers) == _LARGEST[metadata.file.architecture]
    scale = (hidden_size // heads if is_largest else metadata.head_size()) ** -0.5

    def layer(plain: LayerSpec) -> LayerSpec:
        mlp = replace(plain.mlp, activation=Activation.GELU_TANH)
        return replace(plain, attention=replace(plain.attention, scale=scale), mlp=mlp, post_norms=True)

    return replace(
        metadata.decoder([layer(plain) for plain in layers]),
        embedding_scale=math.sqrt(hidden_size),
        logit_softcap=logit_softcap,
    )


GEMMA2 = Family("gemma2", ("Gemma 2",), _read_gemma2)
GEMMA3 = Family("gemma3", ("Gemma 3 (text)",), _read_gemma3)
