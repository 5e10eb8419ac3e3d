"""Qwen3: Qwen2 without biases, and with a norm of each query and key head; of MLPs, or of experts."""

from __future__ import annotations

from dataclasses import replace

from codex_windows_ai.models.families.family import Family
from codex_windows_ai.models.gguf.hyperparameters import Hyperparameters
from codex_windows_ai.models.spec import DecoderSpec


def _read(metadata: Hyperparameters) -> DecoderSpec:
    return metadata.decoder(metadata.with_head_norms(metadata.dense_layers()))


def _read_experts(metadata: Hyperparameters) -> DecoderSpec:
    return replace(metadata.decoder(metadata.with_head_norms(metadata.layers_of_experts())), family="qwen3")


FAMILY = Family("qwen3", ("Qwen3",), _read)
EXPERTS = Family("qwen3moe", ("Qwen3-30B-A3B", "Qwen3-Coder-30B-A3B"), _read_experts)
