"""Gemma 4 without experts: windows and global layers of unlike heads, layers without keys and values of their own,
inputs of layers (`blocks.layer_inputs`).

llama.cpp's src/models/gemma4.cpp and its converter say what keys and tensors mean. Norms multiply by what is stored.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from codex_windows_ai.errors import ModelFileError, UnsupportedModelError
from codex_windows_ai.models.families.family import Family
from codex_windows_ai.models.gguf.rope_scaling import read_base, read_rope
from codex_windows_ai.models.spec import Activation, AttentionSpec, DecoderSpec, LayerSpec, RopeSpec

if TYPE_CHECKING:
    from codex_windows_ai.models.gguf.hyperparameters import Hyperparameters


def _read(metadata: Hyperparameters) -> DecoderSpec:
    attentions, tensors = _Attentions.of(metadata), metadata.file.tensors
    layers = [
        LayerSpec(
            attentions.read(number),
            replace(metadata.mlp(number), activation=Activation.GELU_TANH),
            post_norms=True,
            output_scale=metadata.layout.place("output_scale", number, tensors).tensor in tensors,
        )
        for number in range(len(attentions.windows))
    ]
    return replace(
        metadata.decoder(layers),
        family="gemma4_text",
        embedding_scale=math.sqrt(metadata.size("embedding_length")),
        logit_softcap=metadata.softcap("final_logit_softcapping"),
        layer_input_size=metadata.count("embedding_length_per_layer_input", 0),
    )


@dataclass(frozen=True, slots=True)
class _Attentions:
    """What the attention of each layer is told by."""

    metadata: Hyperparameters
    windows: list[int | None]
    """Of each layer; those without one see everything."""
    own: int
    """So many layers have keys and values; those behind them read the last ones of their kind."""
    near: RopeSpec
    """Of layers with a window; `far` of the others, whose slowest pairs do not turn at all."""
    far: RopeSpec
    near_head_size: int

    @classmethod
    def of(cls, metadata: Hyperparameters) -> _Attentions:
        pattern = metadata.key("attention.sliding_window_pattern")
        if not isinstance(metadata.file.metadata.get(pattern), list):
            raise ModelFileError(f"{metadata.file.path}: the metadata lacks the list `{pattern}`.")
        windows = metadata.windows(metadata.size("attention.sliding_window"), every=1)
        head_size = metadata.size("attention.key_length_swa")
        return cls(
            metadata,
            windows,
            own=len(windows) - metadata.count("attention.shared_kv_layers", 0),
            near=RopeSpec(
                metadata.size("rope.dimension_count_swa", head_size), read_base(metadata, "rope.freq_base_swa")
            ),
            far=read_rope(metadata),
            near_head_size=head_size,
        )

    def read(self, number: int) -> AttentionSpec:
        """The attention of one layer. Raises UnsupportedModelError: heads of unlike sizes, and as `_source`."""
        metadata, window = self.metadata, self.windows[number]
        attention = metadata.attention(number, self.near if window else self.far)
        if window:
            size = metadata.size("attention.value_length_swa", self.near_head_size)
            if size != self.near_head_size or self.near.size > size:
                raise UnsupportedModelError(
                    f"{metadata.file.path} cannot be run: heads of {self.near_head_size} elements, of which "
                    f"{self.near.size} turn, have values of {size}."
                )
            attention = replace(attention, head_size=size)
        source = self._source(number)
        places = {part: metadata.layout.place(part, number, metadata.file.tensors) for part in ("key", "value")}
        return replace(
            attention,
            head_norms=frozenset({"query", "key"} if source is None else {"query"}),
            scale=1.0,
            window=window,
            normalises_values=True,
            values_are_keys=source is None and places["value"].tensor not in metadata.file.tensors,
            reads_layer=source,
        )

    def _source(self, number: int) -> int | None:
        """The layer whose keys and values a layer reads, if not its own.

        Files may hold weights for these, which nothing reads. Raises UnsupportedModelError: there is no such layer, or
        these weights are in one tensor with others.
        """
        if number < self.own:
            return None
        layout, tensors = self.metadata.layout, self.metadata.file.tensors
        own = (before for before in range(max(self.own, 0)) if bool(self.windows[before]) == bool(self.windows[number]))
        source = max(own, default=None)
        if source is None or len(layout.place("query", number, tensors).parts) > 1:
            raise UnsupportedModelError(
                f"{self.metadata.file.path} cannot be run: `{self.metadata.key('attention.shared_kv_layers')}` leaves "
                f"layer {number} no keys and values to read."
            )
        self.metadata.asked.update(layout.place(part, number, tensors).tensor for part in ("key", "key_norm", "value"))
        return source


FAMILY = Family("gemma4", ("Gemma 4 E2B, E4B, 12B and 31B",), _read)
