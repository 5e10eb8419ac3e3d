"""The hyperparameters that GGUF files of all families name alike, read into the parts of a `DecoderSpec`.

Metadata keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. A feature that no block builds is refused
by name: a wrong answer is worse than none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from codex_windows_ai.errors import UnsupportedModelError
from codex_windows_ai.models.spec import AttentionSpec, DecoderSpec, LayerSpec, MlpSpec, RopeSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from codex_windows_ai.models.gguf.file import GgufFile

SUPPORTED_ROPE_SCALINGS = ("none", "linear")
_ROPE_FACTORS = "rope_freqs.weight"


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

    def number(self, name: str, default: float | None = None) -> float:
        """A number."""
        return self.file.get(self.key(name), float, default)

    def refuse(self, *names: str) -> None:
        """Raises UnsupportedModelError: one of these keys, which count something, is more than 0."""
        for name in names:
            if (value := self.integer(name, 0)) > 0:
                raise UnsupportedModelError(
                    f"{self.file.path} has `{self.key(name)}` {value}; such models are not supported."
                )

    def decoder(self, layers: Sequence[LayerSpec]) -> DecoderSpec:
        """A decoder of these layers; its head is tied where the file has no matrix for it."""
        return DecoderSpec(
            family=self.file.architecture,
            layers=tuple(layers),
            hidden_size=self.integer("embedding_length"),
            vocabulary_size=len(self.file.texts("tokenizer.ggml.tokens")),
            context_length=self.integer("context_length"),
            norm_epsilon=self.number("attention.layer_norm_rms_epsilon"),
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
        return [LayerSpec(self.attention(layer), self.mlp()) for layer in range(self.integer("block_count"))]

    def attention(self, layer: int) -> AttentionSpec:
        """The attention of one layer. Raises UnsupportedModelError: heads of unlike sizes, or as `rope` does."""
        heads = self.integer("attention.head_count")
        head_size = self.integer("attention.key_length", self.integer("embedding_length") // max(heads, 1))
        for name in ("rope.dimension_count", "attention.value_length"):
            if (size := self.integer(name, head_size)) != head_size:
                raise UnsupportedModelError(
                    f"{self.file.path} cannot be run: `{self.key(name)}` is {size}, but the head size {head_size}."
                )
        return AttentionSpec(
            heads=heads,
            kv_heads=self.integer("attention.head_count_kv", heads),
            head_size=head_size,
            rope=self.rope(head_size),
            bias=f"blk.{layer}.attn_q.bias" in self.file.tensors,
        )

    def rope(self, size: int) -> RopeSpec:
        """The rotary embedding of `size` elements. Raises UnsupportedModelError: a scaling that is not built."""
        scaling = self.file.text(self.key("rope.scaling.type"), "none")
        if scaling not in SUPPORTED_ROPE_SCALINGS:
            raise UnsupportedModelError(
                f"{self.file.path} scales its rotary embedding by `{scaling}`; "
                f"supported are {', '.join(SUPPORTED_ROPE_SCALINGS)} and Llama 3's frequency factors."
            )
        factors: tuple[float, ...] = ()
        if _ROPE_FACTORS in self.file.tensors:
            factors = tuple(self.file.read_rows(self.file.tensor(_ROPE_FACTORS, size // 2))[0].tolist())
        return RopeSpec(size, self.number("rope.freq_base", 10000.0), self.number("rope.scaling.factor", 1.0), factors)

    def mlp(self) -> MlpSpec:
        """The MLP of every layer."""
        return MlpSpec(self.integer("feed_forward_length"))
