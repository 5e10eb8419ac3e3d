"""SmolLM3: Llama whose every fourth layer turns nothing (NoPE, arXiv 2501.18795)."""

from __future__ import annotations

from dataclasses import replace

from codex_windows_ai.models.families.family import Family
from codex_windows_ai.models.families.llama import INTERLEAVED
from codex_windows_ai.models.gguf.hyperparameters import Hyperparameters
from codex_windows_ai.models.spec import DecoderSpec

_UNTURNED = 4


def _read(metadata: Hyperparameters) -> DecoderSpec:
    layers = metadata.dense_layers()
    for number in range(_UNTURNED - 1, len(layers), _UNTURNED):
        layers[number] = replace(layers[number], attention=replace(layers[number].attention, rope=None))
    return metadata.decoder(layers)


FAMILY = Family("smollm3", ("SmolLM3",), _read, INTERLEAVED)
