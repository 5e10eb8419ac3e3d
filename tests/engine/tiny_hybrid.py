"""A real hybrid small enough for thousands of steps: random weights, a gated delta net on each side of attention.

Its attention has heads of 256 as Qwen3.5's, with which bits may depend on how a prompt is cut. Its states forget
slowly, so that a wrong one shows some hundred tokens later.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from gguf import GGMLQuantizationType as Kind
from gguf import GGUFValueType

from codex_windows_ai.models.folder import ModelFolder
from codex_windows_ai.models.precision import Precision
from codex_windows_ai.models.store import ModelStore
from tests.engine.tiny_model import TEMPLATE
from tests.models.hybrid import TinyQwen35

TURN_END, FIRST_BYTE = 2, 3
"""Tokens: what ends a turn, and the first of those that stand for bytes."""


class _Remembering(TinyQwen35):
    """One whose states decay by less than a percent a token, and have room for as many keys as a piece has tokens."""

    def _values(self, random: np.random.Generator, name: str, shape: tuple[int, ...]) -> np.ndarray:
        values = super()._values(random, name, shape)
        return values / 100 if name.endswith("ssm_a") else values


def make_tiny_hybrid(folder: Path, *, kind: Kind = Kind.F32, precision: Precision = Precision.OWN) -> ModelFolder:
    """Writes and installs the model below `folder`; it talks as ChatML."""
    tiny = _Remembering(
        kind=kind,
        layers=3,
        attention_at=(1,),
        heads=2,
        kv_heads=1,
        head_size=256,
        turned=64,
        key_heads=1,
        value_heads=2,
        state_size=64,
        context=1024,
        tied=False,
        changed={"tokenizer.chat_template": (TEMPLATE, GGUFValueType.STRING)},
    )
    file = tiny.write(folder / "hybrid.gguf")
    return ModelStore(folder / "models").add(file, name="hybrid", precision=precision)
