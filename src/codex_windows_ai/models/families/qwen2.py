"""Qwen2 and Qwen2.5: queries, keys and values have biases, and rows are stored in the order of the trained model."""

from __future__ import annotations

from codex_windows_ai.models.families.family import Family
from codex_windows_ai.models.gguf.hyperparameters import Hyperparameters

FAMILY = Family("qwen2", ("Qwen2", "Qwen2.5"), Hyperparameters.dense_decoder)
