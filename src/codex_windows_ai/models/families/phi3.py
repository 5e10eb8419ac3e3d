"""Phi-3, Phi-3.5 and Phi-4: fused products, LongRoPE, and only part of each head turned."""

from __future__ import annotations

from dataclasses import replace

from codex_windows_ai.models.families.family import Family
from codex_windows_ai.models.gguf.hyperparameters import Hyperparameters
from codex_windows_ai.models.spec import DecoderSpec


def _read(metadata: Hyperparameters) -> DecoderSpec:
    layers, window = metadata.dense_layers(), metadata.count("attention.sliding_window", 0)
    if 0 < window < metadata.size("context_length"):  # llama.cpp leaves it out; the model was trained with it
        layers = [replace(layer, attention=replace(layer.attention, window=window)) for layer in layers]
    return metadata.decoder(layers)


FAMILY = Family("phi3", ("Phi-3", "Phi-3.5-mini", "Phi-4", "Phi-4-mini"), _read)
