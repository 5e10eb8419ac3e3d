"""gpt-oss: experts with clamped units, biases everywhere, sinks, and a window in every second layer."""

from __future__ import annotations

from dataclasses import replace

from codex_windows_ai.models.families.family import Family
from codex_windows_ai.models.gguf.hyperparameters import Hyperparameters
from codex_windows_ai.models.gguf.layout import TENSORS, Layout
from codex_windows_ai.models.spec import ClampedSpec, DecoderSpec

_LAYOUT = Layout({**TENSORS, "feed_forward_norm": "post_attention_norm"})


def _read(metadata: Hyperparameters) -> DecoderSpec:
    windows = metadata.windows(metadata.count("attention.sliding_window", 128), every=2)
    # Its YaRN goes from pair to pair by fractions: `truncate` is false in the model's own configuration.
    layers = metadata.layers_of_experts(clamped=ClampedSpec(), whole_pairs=False)
    layers = [
        replace(layer, attention=replace(layer.attention, window=window, sinks=True))
        for layer, window in zip(layers, windows, strict=True)
    ]
    return replace(metadata.decoder(layers), family="gptoss")


FAMILY = Family("gpt-oss", ("gpt-oss-20b", "gpt-oss-120b"), _read, _LAYOUT)
