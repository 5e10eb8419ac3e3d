"""The hyperparameters that GGUF files of all families name alike, read into the parts of a `DecoderSpec`.

Metadata keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. A feature that no block builds is refused
by name: a wrong answer is worse than none. Whatever sizes work or memory is held against what the file itself has.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from codex_windows_ai.errors import ModelFileError, UnsupportedModelError
from codex_windows_ai.models.gguf.layout import Layout
from codex_windows_ai.models.gguf.rope_scaling import read_rope
from codex_windows_ai.models.spec import AttentionSpec, ClampedSpec, DecoderSpec, LayerSpec, MlpSpec, MoeSpec, RopeSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codex_windows_ai.models.gguf.file import GgufFile

_TOKENS = "tokenizer.ggml.tokens"
_LAYER = re.compile(r"blk\.([0-9]{1,9})\.")
_MOST_SIZE = (1 << 31) - 1
_MOST_HEAD_SIZE = 1 << 16  # a hundred times the largest known
_EPSILONS, _SCALES, _SOFTCAPS = (1e-20, 1.0), (-1e6, 1e6), (0.0, 1e6)
"""Far beyond what models have, and near enough for all arithmetic to stay finite."""


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """Reads keys of the file's own architecture: `integer("block_count")` is `llama.block_count`.

    All methods raise ModelFileError where a value is missing or of another type.
    """

    file: GgufFile
    layout: Layout = field(default_factory=Layout)
    asked: set[str] = field(default_factory=set[str])
    """Keys, without the architecture, and tensors that were asked for; what else changes arithmetic is refused."""

    def key(self, name: str) -> str:
        """The full name of a key that is asked for."""
        self.asked.add(name)
        return f"{self.file.architecture}.{name}"

    def integer(self, name: str, default: int | None = None) -> int:
        """A whole number."""
        return self.file.integer(self.key(name), default)

    def size(self, name: str, default: int | None = None, *, layer: int | None = None) -> int:
        """A whole number of things, of which there is at least one; some files list one for each `layer`."""
        if layer is not None and isinstance(self.file.metadata.get(self.key(name)), list):
            value = next(iter(self.file.integers(self.key(name))[layer:]), 0)
        else:
            value = self.integer(name, default)
        if not 1 <= value <= _MOST_SIZE:
            raise ModelFileError(f"{self.file.path}: `{self.key(name)}` must be from 1 to {_MOST_SIZE}, found {value}.")
        return value

    def count(self, name: str, default: int) -> int:
        """A whole number of things, of which there may be none."""
        return self.size(name, default) if self.integer(name, default) else 0

    def number(self, name: str, within: tuple[float, float], default: float | None = None) -> float:
        """A number `within` these two, which no NaN is."""
        value, (least, most) = self.file.get(self.key(name), float, default), within
        if not least <= value <= most:
            raise ModelFileError(
                f"{self.file.path}: `{self.key(name)}` must be from {least:g} to {most:g}, found {value:g}."
            )
        return value

    def scale(self, name: str, default: float) -> float:
        """A factor, for which 0 stands where there is none."""
        return self.number(name, _SCALES, default) or default

    def flag(self, name: str, *, default: bool) -> bool:
        """Yes or no."""
        return self.file.flag(self.key(name), default=default)

    def softcap(self, name: str, default: float = 0.0) -> float:
        """What values are softly kept below, or 0."""
        return self.number(name, _SOFTCAPS, default)

    def layer_count(self) -> int:
        """Layers without those that only draft, of which there cannot be more than the file has tensors of."""
        count = self.size("block_count")
        stored = len({found[1] for name in self.file.tensors if (found := _LAYER.match(name))})
        if count > stored:
            raise ModelFileError(
                f"{self.file.path}: `{self.key('block_count')}` is {count}, but there are tensors of {stored} layers.",
                hint="Fetch the file again.",
            )
        return count - min(max(self.integer("nextn_predict_layers", 0), 0), count - 1)

    def decoder(self, layers: Sequence[LayerSpec]) -> DecoderSpec:
        """A decoder of these layers; its head is tied where the file has no matrix for it."""
        return DecoderSpec(
            family=self.file.architecture,
            layers=tuple(layers),
            hidden_size=self.size("embedding_length"),
            vocabulary_size=len(self.file.texts(_TOKENS)),
            context_length=self.size("context_length"),
            norm_epsilon=self.number("attention.layer_norm_rms_epsilon", _EPSILONS),
            tied_embeddings="output.weight" not in self.file.tensors,
            output_bias=bool(self.biases(None, "output")),
            suppressed=self._suppressed(),
        )

    def _suppressed(self) -> tuple[int, ...]:
        """The tokens that a model never writes; numbers that are none of its vocabulary mean nothing."""
        listed, vocabulary = self.file.integers("tokenizer.ggml.suppress_tokens"), self.file.texts(_TOKENS)
        return tuple(sorted({token for token in listed if 0 <= token < len(vocabulary)}))

    def dense_decoder(self) -> DecoderSpec:
        """A decoder whose layers all have attention and one MLP. Raises UnsupportedModelError, as `dense_layers`."""
        return self.decoder(self.dense_layers())

    def dense_layers(self) -> list[LayerSpec]:
        """Layers of attention and an MLP. Raises UnsupportedModelError, as `attention` and `read_rope` do."""
        rope = read_rope(self)
        return [LayerSpec(self.attention(layer, rope), self.mlp(layer)) for layer in range(self.layer_count())]

    def with_head_norms(self, layers: Sequence[LayerSpec]) -> list[LayerSpec]:
        """The layers of a family whose every query and key head has a norm, which a file must then hold."""
        norms = frozenset({"query", "key"})
        return [replace(layer, attention=replace(layer.attention, head_norms=norms)) for layer in layers]

    def biases(self, layer: int | None, *parts: str) -> frozenset[str]:
        """Those of these parts that have one in the file."""
        tensors = self.file.tensors
        return frozenset(part for part in parts if self.layout.place(f"{part}.bias", layer, tensors).tensor in tensors)

    def attention(self, layer: int, rope: RopeSpec) -> AttentionSpec:
        """The attention of one layer. Raises UnsupportedModelError: heads of unlike sizes."""
        heads = self.size("attention.head_count", layer=layer)
        head_size = self.head_size(layer)
        if (size := self.integer("attention.value_length", head_size)) != head_size:
            raise UnsupportedModelError(
                f"{self.file.path} cannot be run: `{self.key('attention.value_length')}` is {size}, "
                f"but the head size {head_size}."
            )
        if rope.size != head_size and self.layout.interleaved:  # whose order of rows no file here has shown yet
            raise UnsupportedModelError(
                f"{self.file.path} cannot be run: `{self.key('rope.dimension_count')}` is {rope.size}, "
                f"but the head size {head_size}."
            )
        norms = {part: self.layout.place(f"{part}_norm", layer, self.file.tensors) for part in ("query", "key")}
        return AttentionSpec(
            heads=heads,
            kv_heads=self.size("attention.head_count_kv", heads, layer=layer),
            head_size=head_size,
            rope=rope,
            biases=self.biases(layer, "query", "key", "value", "attention_output"),
            head_norms=frozenset(part for part, place in norms.items() if place.tensor in self.file.tensors),
        )

    def head_size(self, layer: int = 0) -> int:
        """Elements of a head."""
        heads = self.size("attention.head_count", layer=layer)
        size = self.size("attention.key_length", self.size("embedding_length") // heads)
        if size > _MOST_HEAD_SIZE:
            raise ModelFileError(f"{self.file.path}: heads of {size} elements (`{self.key('attention.key_length')}`).")
        return size

    def windows(self, length: int, every: int) -> list[int | None]:
        """For each layer how many tokens it sees: `length`, but all of them in each layer that `every` goes into."""
        value, layers = self.file.metadata.get(self.key("attention.sliding_window_pattern"), every), self.layer_count()
        if isinstance(value, list):
            slides = [bool(item) for item in value[:layers]]
        else:
            every = self.integer("attention.sliding_window_pattern", every)
            slides = [every == 0 or (layer + 1) % every != 0 for layer in range(layers)]
        if len(slides) < layers:
            raise ModelFileError(f"{self.file.path}: `{self.key('attention.sliding_window_pattern')}` is too short.")
        return [length if length and slide else None for slide in slides]

    def mlp(self, layer: int) -> MlpSpec:
        """The MLP of one layer."""
        return MlpSpec(self.size("feed_forward_length", layer=layer), biases=self.biases(layer, "gate", "up", "down"))

    def mixture(self, layer: int, clamped: ClampedSpec | None = None) -> MoeSpec:
        """The experts of one layer, and the one that reads all tokens where the file has that."""
        parts = {"gate": "experts.gate", "down": "experts.down", "router": "router"}
        found = self.biases(layer, *parts.values())
        has_shared = self.layout.place("shared.share", layer, self.file.tensors).tensor in self.file.tensors
        return MoeSpec(
            self.size("expert_feed_forward_length"),
            self.size("expert_count"),
            self.size("expert_used_count"),
            biases=frozenset(part for part, name in parts.items() if name in found),
            clamped=clamped,
            scale=self.scale("expert_weights_scale", 1),
            shared=MlpSpec(self.size("expert_shared_feed_forward_length")) if has_shared else None,
        )

    def layers_of_experts(self, *, clamped: ClampedSpec | None = None, whole_pairs: bool = True) -> list[LayerSpec]:
        """Layers of attention and experts. Raises UnsupportedModelError, as `dense_layers`."""
        rope = read_rope(self, whole_pairs=whole_pairs)
        layers = range(self.layer_count())
        return [LayerSpec(self.attention(layer, rope), self.mixture(layer, clamped)) for layer in layers]
