"""What a decoder is, layer by layer: the hyperparameters that its blocks are built from.

A `DecoderSpec` says nothing about files. Which tensors hold the weights, and in which order of rows, is the
`gguf.layout.Layout` of a family; how a block computes is `blocks`. Sizes count elements.

Layers need not be alike: each names its own attention and MLP. A new kind of either (experts) is a new class here
beside `AttentionSpec`, `LinearAttentionSpec`, `ShortConvolutionSpec` or `MlpSpec`; a variant (a window, norms of
queries and keys) is a new field with a default that leaves the other families as they are. Parts of a layer go by
their names in the blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


@dataclass(frozen=True, slots=True)
class RopeSpec:
    """Rotary position embedding (arXiv 2104.09864)."""

    size: int
    """Elements of a head that it turns, which come first in the head."""
    base: float
    divisors: tuple[float, ...] = ()
    """`size / 2` of them, which divide one frequency each, or none: what every scaling for long contexts comes to.

    Infinity: the pair is not turned.
    """
    magnitude: float = 1.0
    """Times all cosines and sines: the attention factor of YaRN (arXiv 2309.00071) and LongRoPE (arXiv 2402.13753)."""


@dataclass(frozen=True, slots=True)
class TemperatureSpec:
    """Queries grow with their positions: times 1 + slope * log(1 + floor(position / length)) (Llama 4)."""

    slope: float
    length: int


@dataclass(frozen=True, slots=True)
class AttentionSpec:
    """Causal attention in which several query heads share a key/value head (arXiv 2305.13245)."""

    heads: int
    kv_heads: int
    head_size: int
    rope: RopeSpec | None
    """None: nothing is turned (NoPE, arXiv 2305.19466)."""
    biases: frozenset[str] = frozenset()
    """Parts that have one."""
    head_norms: frozenset[str] = frozenset()
    """Those of `query` and `key` of which each head is normalised, before it is turned."""
    normalises_values: bool = False
    """Each head of the values is normalised, too, without a weight."""
    values_are_keys: bool = False
    """Values are what the keys are before they are normalised and turned."""
    reads_layer: int | None = None
    """The layer before it whose keys and values it reads, having none of its own."""
    scale: float | None = None
    """Times the products of queries and keys; None: one over the root of `head_size`."""
    window: int | None = None
    """Tokens that a query sees, its own included; None: all before it."""
    softcap: float = 0.0
    """Scores s become softcap * tanh(s / softcap); 0: they stay."""
    temperature: TemperatureSpec | None = None
    gated: bool = False
    """What the heads read is multiplied by the sigmoid of a gate, whose rows follow each query head's."""
    sinks: bool = False
    """Each head has one score more, which nothing is read of, beside those of the keys (arXiv 2309.17453)."""

    @property
    def query_size(self) -> int:
        """Width of all query heads together."""
        return self.heads * self.head_size

    @property
    def key_size(self) -> int:
        """Width of all key (or value) heads together."""
        return self.kv_heads * self.head_size

    @property
    def kept_size(self) -> int:
        """Numbers that it keeps of each token: its keys and values."""
        return 2 * self.key_size if self.reads_layer is None else 0


@dataclass(frozen=True, slots=True)
class LinearAttentionSpec:
    """The gated delta rule (arXiv 2412.06464) behind a short causal convolution: a state instead of keys and values.

    Value head h reads the query and the key of head h modulo `key_heads`.
    """

    key_heads: int
    """Of queries and keys each."""
    value_heads: int
    key_head_size: int
    value_head_size: int
    kernel: int
    """Tokens that the convolution sees, its own included."""

    @property
    def key_size(self) -> int:
        """Width of all query (or key) heads together."""
        return self.key_heads * self.key_head_size

    @property
    def value_size(self) -> int:
        """Width of all value heads together."""
        return self.value_heads * self.value_head_size

    @property
    def channels(self) -> int:
        """What the convolution goes over: queries, keys and values."""
        return 2 * self.key_size + self.value_size


@dataclass(frozen=True, slots=True)
class ShortConvolutionSpec:
    """A short causal convolution of each channel between two gates, in the place of attention (LFM2)."""

    kernel: int
    """Tokens that it sees, its own included."""


class Activation(Enum):
    """What a gate goes through."""

    SILU = "silu"
    GELU_TANH = "gelu_tanh"
    """The Gaussian error linear unit by its approximation with tanh (arXiv 1606.08415)."""


@dataclass(frozen=True, slots=True)
class MlpSpec:
    """A gated MLP, such as SwiGLU and GeGLU (arXiv 2002.05202)."""

    size: int
    """Width of the gate, and of what it gates."""
    activation: Activation = Activation.SILU
    biases: frozenset[str] = frozenset()
    """Parts that have one."""


@dataclass(frozen=True, slots=True)
class ClampedSpec:
    """The gated unit of gpt-oss: gate * sigmoid(slope * gate) * (up + 1), both kept within a limit before."""

    limit: float = 7.0
    """Gates are at most so large, and what they gate so far from 0."""
    slope: float = 1.702


@dataclass(frozen=True, slots=True)
class MoeSpec:
    """A mixture of experts (arXiv 2101.03961): gated MLPs, of which a router has each token read by a few.

    What these give is weighed by a softmax over their scores alone.
    """

    size: int
    """Width of an expert's gate."""
    experts: int
    used: int
    """Experts that read a token."""
    biases: frozenset[str] = frozenset()
    """Parts of an expert (`gate` and `up` together, `down`), or `router`, that have one."""
    clamped: ClampedSpec | None = None
    """None: SwiGLU."""
    scale: float = 1.0
    """Times what the experts give."""
    shared: MlpSpec | None = None
    """An MLP that reads every token, and whose share a sigmoid says (Qwen2-MoE, Qwen3.5-MoE)."""


@dataclass(frozen=True, slots=True)
class LayerSpec:
    """One layer: attention, then an MLP or experts, each behind a norm and added to what it reads."""

    attention: AttentionSpec | LinearAttentionSpec | ShortConvolutionSpec
    mlp: MlpSpec | MoeSpec
    post_norms: bool = False
    """What attention and MLP give is normalised, too, before it is added."""
    residual_scale: float = 1.0
    """Times what attention and MLP give, before it is added."""
    output_scale: bool = False
    """What it hands on is multiplied by a number of the file."""


@dataclass(frozen=True, slots=True)
class DecoderSpec:
    """A whole decoder: embedding, layers, a last norm, and the head (the output projection)."""

    family: str
    """Its model type in the ONNX Runtime GenAI format, which is mostly the name of its family."""
    layers: tuple[LayerSpec, ...]
    hidden_size: int
    vocabulary_size: int
    context_length: int
    norm_epsilon: float
    tied_embeddings: bool
    """The head is the embedding's own matrix."""
    output_bias: bool = False
    """The head has one."""
    embedding_scale: float = 1.0
    """Times the embedded tokens."""
    logit_scale: float = 1.0
    """Times the logits."""
    logit_softcap: float = 0.0
    """As in `AttentionSpec`, of the logits."""
    layer_input_size: int = 0
    """Elements of what each token brings to every layer by itself (per-layer embeddings, Gemma 3n); 0: nothing."""
    suppressed: tuple[int, ...] = ()
    """Tokens that it never writes, such as those that stand for pictures."""

    @property
    def attentions(self) -> list[AttentionSpec]:
        """The attention of those layers that have keys and values."""
        return [layer.attention for layer in self.layers if isinstance(layer.attention, AttentionSpec)]

    @property
    def is_recurrent(self) -> bool:
        """Whether layers have states instead of keys and values."""
        return len(self.attentions) < len(self.layers)

    @property
    def ropes(self) -> list[RopeSpec]:
        """The different rotary embeddings, in the order of the first layer that uses each."""
        ropes = dict.fromkeys(attention.rope for attention in self.attentions)
        return [rope for rope in ropes if rope]

    @property
    def sees_everything(self) -> bool:
        """Whether every token reads all before it, and by a plain softmax; so a prefix may be read apart."""
        if self.is_recurrent:
            return False
        return not any(
            each.window or each.softcap or each.sinks or each.reads_layer is not None for each in self.attentions
        )
