"""Ministral 3 and Devstral 2: Llama with YaRN, and with queries that grow with their positions."""

from __future__ import annotations

from dataclasses import replace

from codex_windows_ai.models.families.family import Family
from codex_windows_ai.models.families.llama import INTERLEAVED
from codex_windows_ai.models.gguf.hyperparameters import Hyperparameters
from codex_windows_ai.models.gguf.rope_scaling import trained_length
from codex_windows_ai.models.spec import DecoderSpec, TemperatureSpec


def _read(metadata: Hyperparameters) -> DecoderSpec:
    slope = metadata.scale("attention.temperature_scale", 0)
    temperature = TemperatureSpec(slope, trained_length(metadata)) if slope else None
    layers = [
        replace(layer, attention=replace(layer.attention, temperature=temperature)) for layer in metadata.dense_layers()
    ]
    return replace(metadata.decoder(layers), family="mistral")


FAMILY = Family("mistral3", ("Ministral 3", "Devstral 2"), _read, INTERLEAVED)
