"""Llama, and what is built like it. Its files store query and key rows for a rotation of neighbouring elements."""

from __future__ import annotations

from codex_windows_ai.models.families.family import Family
from codex_windows_ai.models.gguf.hyperparameters import Hyperparameters
from codex_windows_ai.models.gguf.layout import Layout
from codex_windows_ai.models.spec import DecoderSpec


def _read(metadata: Hyperparameters) -> DecoderSpec:
    metadata.refuse("expert_count", "attention.sliding_window")
    return metadata.decoder(metadata.dense_layers())


FAMILY = Family("llama", ("Llama 3", "SmolLM2"), _read, Layout(interleaved=frozenset({"attn_q", "attn_k"})))
