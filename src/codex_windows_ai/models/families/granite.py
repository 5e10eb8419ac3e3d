"""Granite 3 and 4 without experts: Llama with factors of its own for embedding, residuals, attention and logits."""

from __future__ import annotations

from dataclasses import replace

from codex_windows_ai.models.families.family import Family
from codex_windows_ai.models.families.llama import INTERLEAVED
from codex_windows_ai.models.gguf.hyperparameters import Hyperparameters
from codex_windows_ai.models.gguf.rope_scaling import read_rope
from codex_windows_ai.models.spec import DecoderSpec, LayerSpec


def _read(metadata: Hyperparameters) -> DecoderSpec:
    scale = metadata.scale("attention.scale", 0) or None
    residual_scale = metadata.scale("residual_scale", 1)
    turns = metadata.flag("rope.scaling.finetuned", default=True)  # a switch in this family, none elsewhere
    rope = read_rope(metadata) if turns else None

    def layer(plain: LayerSpec) -> LayerSpec:
        attention = replace(plain.attention, scale=scale, rope=rope)
        return replace(plain, attention=attention, residual_scale=residual_scale)

    return replace(
        metadata.decoder([layer(plain) for plain in metadata.dense_layers()]),
        embedding_scale=metadata.scale("embedding_scale", 1),
        logit_scale=1 / metadata.scale("logit_scale", 1),
    )


FAMILY = Family("granite", ("Granite 3", "Granite 4 (dense)"), _read, INTERLEAVED)
