"""A real hybrid small enough for thousands of steps: random weights, a gated delta net on each side of attention.

Its attention has heads of 256 as Qwen3.5's, with which bits depend on how a prompt is cut.
"""

from __future__ import annotations

from pathlib import Path

from gguf import GGMLQuantizationType as Kind

from codex_windows_ai.models.folder import ModelFolder, read_model_folder
from codex_windows_ai.models.precision import Precision
from tests.models.hybrid import TinyQwen35
from tests.models.test_convert import converted

TURN_END, FIRST_BYTE = 2, 3
"""Tokens: what ends a turn, and the first of those that stand for bytes."""


def make_tiny_hybrid(folder: Path, *, kind: Kind = Kind.F32, precision: Precision = Precision.OWN) -> ModelFolder:
    """Writes and converts the model below `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    tiny = TinyQwen35(
        kind=kind, layers=3, attention_at=(1,), heads=2, kv_heads=1, head_size=256, turned=64, context=1024, tied=False
    )
    return read_model_folder(converted(tiny, folder, precision), name="hybrid")
