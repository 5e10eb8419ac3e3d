"""Llama, and what is built like it. Its files store query and key rows for a rotation of neighbouring elements."""

from __future__ import annotations

from codex_windows_ai.models.families.family import Family
from codex_windows_ai.models.gguf.hyperparameters import Hyperparameters
from codex_windows_ai.models.gguf.layout import Layout

INTERLEAVED = Layout(interleaved=frozenset({"query", "key"}))

FAMILY = Family("llama", ("Llama 2", "Llama 3", "Mistral 7B", "SmolLM2"), Hyperparameters.dense_decoder, INTERLEAVED)
