"""The hyperparameters that GGUF files of all families name alike, read into the parts of a `DecoderSpec`.

Metadata keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. A feature that no block builds is refused
by name: a wrong answer is worse than none. Whatever sizes work or memory is held against what the file itself has.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codex_windows_ai.errors import ModelFileError, UnsupportedModelError
from codex_windows_ai.models.contents import shown
from codex_windows_ai.models.spec import AttentionSpec, DecoderSpec, LayerSpec, MlpSpec, RopeSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codex_windows_ai.models.gguf.file import GgufFile

SUPPORTED_ROPE_SCALINGS = ("none", "linear")
_ROPE_FACTORS = "rope_freqs.weight"
_LAYER = re.compile(r"blk\.([0-9]{1,9})\.")
_MOST_SIZE = (1 << 31) - 1
_ROPE_BASES, _ROPE_SCALES, _EPSILONS = (1.0, 1e15), (1e-6, 1e6), (1e-20, 1.0)
"""Far beyond what models have, and near enough for all arithmetic to stay finite."""


@dataclass(frozen=True, slots=True)
class Hyperparameters:
    """Reads keys of the file's own architecture: `integer("block_count")` is `llama.block_count`.

    All methods raise ModelFileError where a value is missing or of another type.
    """

    file: GgufFile

    def key(self, name: str) -> str:
        """The full name of a key."""
        return f"{self.file.architecture}.{name}"

    def integer(self, name: str, default: int | None = None) -> int:
        """A whole number."""
        return self.file.integer(self.key(name), default)

    def size(self, name: str, default: int | None = None) -> int:
        """A whole number of things, of which there is at least one."""
        value = self.integer(name, default)
        if not 1 <= value <= _MOST_SIZE:
            raise ModelFileError(f"{self.file.path}: `{self.key(name)}` must be from 1 to {_MOST_SIZE}, found {value}.")
        return value

    def number(self, name: str, within: tuple[float, float], default: float | None = None) -> float:
        """A number `within` these two, which no NaN is."""
        value, (least, most) = self.file.get(self.key(name), float, default), within
        if not least <= value <= most:
            raise ModelFileError(
                f"{self.file.path}: `{self.key(name)}` must be from {least:g} to {most:g}, found {value:g}."
            )
        return value

    def refuse(self, *names: str) -> None:
        """Raises UnsupportedModelError: one of these keys, which count something, is not 0."""
        for name in names:
            if value := self.integer(name, 0):
                raise UnsupportedModelError(
                    f"{self.file.path} has `{self.key(name)}` {value}; such models are not supported.",
                    hint="Use a dense model with attention over all tokens, such as Llama 3, Qwen2.5 or SmolLM2.",
                )

    def layer_count(self) -> int:
        """`block_count`, which cannot be more than the layers that the file has tensors of."""
        count = self.size("block_count")
        stored = len({found[1] for name in self.file.tensors if (found := _LAYER.match(name))})
        if count > stored:
            raise ModelFileError(
                f"{self.file.path}: `{self.key('block_count')}` is {count}, but there are tensors of {stored} layers.",
                hint="Fetch the file again.",
            )
        return count

    def decoder(self, layers: Sequence[LayerSpec]) -> DecoderSpec:
        """A decoder of these layers; its head is tied where the file has no matrix for it."""
        return DecoderSpec(
            family=self.file.architecture,
            layers=tuple(layers),
            hidden_size=self.size("embedding_length"),
            vocabulary_size=len(self.file.texts("tokenizer.ggml.tokens")),
            context_length=self.size("context_length"),
            norm_epsilon=self.number("attention.layer_norm_rms_epsilon", _EPSILONS),
            tied_embeddings="output.weight" not in self.file.tensors,
        )

    def dense_decoder(self) -> DecoderSpec:
        """A decoder whose layers all have attention over all tokens and one MLP.

        Raises UnsupportedModelError: it has experts or a sliding window, or as `dense_layers`.
        """
        self.refuse("expert_count", "attention.sliding_window")
        return self.decoder(self.dense_layers())

    def dense_layers(self) -> list[LayerSpec]:
        """Layers of attention and an MLP. Raises UnsupportedModelError, as `attention` does."""
        return [LayerSpec(self.attention(layer), self.mlp()) for layer in range(self.layer_count())]

    def attention(self, layer: int) -> AttentionSpec:
        """The attention of one layer. Raises UnsupportedModelError: heads of unlike sizes, or as `rope` does."""
        heads = self.size("attention.head_count")
        head_size = self.size("attention.key_length", self.size("embedding_length") // heads)
        for name in ("rope.dimension_count", "attention.value_length"):
            if (size := self.integer(name, head_size)) != head_size:
                raise UnsupportedModelError(
                    f"{self.file.path} cannot be run: `{self.key(name)}` is {size}, but the head size {head_size}."
                )
        return AttentionSpec(
            heads=heads,
            kv_heads=self.size("attention.head_count_kv", heads),
            head_size=head_size,
            rope=self.rope(head_size),
            bias=f"blk.{layer}.attn_q.bias" in self.file.tensors,
        )

    def rope(self, size: int) -> RopeSpec:
        """The rotary embedding of `size` elements. Raises UnsupportedModelError: a scaling that is not built."""
        scaling = self.file.text(self.key("rope.scaling.type"), "none")
        if scaling not in SUPPORTED_ROPE_SCALINGS:
            raise UnsupportedModelError(
                f"{self.file.path} scales its rotary embedding by {shown(scaling)}; "
                f"supported are {', '.join(SUPPORTED_ROPE_SCALINGS)} and Llama 3's frequency factors.",
                hint="Use the model's own file, without a window that was made longer than it was trained with.",
            )
        base = self.number("rope.freq_base", _ROPE_BASES, 10000.0)
        factor = self.file.get(self.key("rope.scaling.factor"), float, 1.0)
        if factor != 0:  # which llama.cpp reads as none
            factor = self.number("rope.scaling.factor", _ROPE_SCALES, 1.0)
        return RopeSpec(size, base, factor or 1.0, self._rope_factors(size // 2))

    def _rope_factors(self, count: int) -> tuple[float, ...]:
        if _ROPE_FACTORS not in self.file.tensors:
            return ()
        factors = tuple(self.file.read_rows(self.file.tensor(_ROPE_FACTORS, count))[0].tolist())
        least, most = _ROPE_SCALES
        if not all(least <= factor <= most for factor in factors):
            raise ModelFileError(f"{self.file.path}: `{_ROPE_FACTORS}` must hold values from {least:g} to {most:g}.")
        return factors

    def mlp(self) -> MlpSpec:
        """The MLP of every layer."""
        return MlpSpec(self.size("feed_forward_length"))
