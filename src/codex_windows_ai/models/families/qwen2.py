"""Qwen2 and Qwen2.5: queries, keys and values have biases, and rows are stored in the order of the trained model."""

from __future__ import annotations

from codex_windows_ai.models.families.family import Family
from codex_windows_ai.models.gguf.hyperparameters import Hyperparameters
from codex_windows_ai.models.spec import DecoderSpec


def _read(metadata: Hyperparameters) -> DecoderSpec:
    metadata.refuse("expert_count", "attention.sliding_window")
    return metadata.decoder(metadata.dense_layers())


FAMILY = Family("qwen2", ("Qwen2", "Qwen2.5"), _read)
