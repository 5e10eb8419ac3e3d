"""Tiny GGUF files in the two shapes of Gemma 4: as E2B and E4B are, and as 12B and 31B are."""

from dataclasses import dataclass
from typing import Any

import gguf
import numpy as np

from tests.models.synthetic import Tiny

NEAR, FAR = 16, 32
"""Elements of a head where there is a window, and elsewhere."""


@dataclass
class Gemma4(Tiny):
    """Layers without a window have one key/value head, of which a quarter turns; others have two, smaller ones."""

    architecture: str = "gemma4"
    head_norms: bool = True
    post_norms: bool = True
    hidden: int = 64
    head_size: int = FAR
    sees_all: tuple[int, ...] = (1, 3, 5)
    layers: int = 6
    shared: int = 2
    """So many of the last layers read keys and values of others."""
    input_size: int = 32
    values: bool = True
    """Layers without a window have values of their own."""
    useless: bool = False
    """Layers that read others' keys and values have weights for their own all the same."""
    experts: int = 0

    def write_metadata(self, writer: gguf.GGUFWriter) -> None:
        keys: dict[str, Any] = {
            ".attention.sliding_window": 8,
            ".attention.sliding_window_pattern": [layer not in self.sees_all for layer in range(self.layers)],
            ".attention.head_count_kv": [1 if layer in self.sees_all else 2 for layer in range(self.layers)],
            ".attention.key_length_swa": NEAR,
            ".attention.value_length_swa": NEAR,
            ".attention.shared_kv_layers": self.shared,
            ".embedding_length_per_layer_input": self.input_size,
            ".feed_forward_length": [self._width(layer) for layer in range(self.layers)],
            ".final_logit_softcapping": 3.0,
            ".rope.freq_base": 1000.0,
            ".rope.freq_base_swa": 100.0,
            ".rope.dimension_count": FAR,
            ".rope.dimension_count_swa": NEAR,
        }
        if self.experts:
            keys |= {".expert_count": self.experts, ".expert_used_count": 2, ".expert_feed_forward_length": 32}
        self.extra = keys | (self.extra or {})
        super().write_metadata(writer)

    def _width(self, layer: int) -> int:
        return 128 if layer >= self.layers - self.shared else 96

    def shapes(self) -> dict[str, tuple[int, ...]]:
        shapes, hidden = super().shapes(), self.hidden
        shapes["rope_freqs.weight"] = (FAR // 2,)
        for layer in range(self.layers):
            block, size, width = f"blk.{layer}", FAR if layer in self.sees_all else NEAR, self._width(layer)
            query, key = self.heads * size, FAR
            shapes |= {f"{block}.attn_{part}_norm.weight": (size,) for part in "qk"}
            shapes |= {f"{block}.attn_{part}.weight": (key, hidden) for part in "kv"}
            shapes |= {f"{block}.attn_q.weight": (query, hidden), f"{block}.attn_output.weight": (hidden, query)}
            shapes |= {f"{block}.ffn_{part}.weight": (width, hidden) for part in ("gate", "up")}
            shapes |= {f"{block}.ffn_down.weight": (hidden, width), f"{block}.layer_output_scale.weight": (1,)}
            if layer in self.sees_all and not self.values:
                del shapes[f"{block}.attn_v.weight"]
            if layer >= self.layers - self.shared and not self.useless:
                for part in ("k", "v", "k_norm"):
                    shapes.pop(f"{block}.attn_{part}.weight", None)
            if self.input_size:
                shapes[f"{block}.inp_gate.weight"] = (self.input_size, hidden)
                shapes[f"{block}.proj.weight"] = (hidden, self.input_size)
                shapes[f"{block}.post_norm.weight"] = (hidden,)
        if self.input_size:
            width = self.layers * self.input_size
            shapes["per_layer_token_embd.weight"] = (len(self.vocabulary()), width)
            shapes["per_layer_model_proj.weight"] = (width, hidden)
            shapes["per_layer_proj_norm.weight"] = (self.input_size,)
        return shapes

    def _values(self, random: np.random.Generator, name: str, shape: tuple[int, ...]) -> np.ndarray:
        if name == "rope_freqs.weight":
            return np.where(np.arange(shape[0]) < shape[0] // 4, 1, 1e30).astype(np.float32)
        if "output_scale" in name:
            return random.uniform(0.5, 1.5, shape).astype(np.float32)
        values = super()._values(random, name, shape)
        return values * np.float32(0.3) if "attn_q_norm" in name else values  # nothing else makes scores small


SMALL = Gemma4()
LARGE = Gemma4(shared=0, input_size=0, values=False, layers=4, sees_all=(1, 3))
