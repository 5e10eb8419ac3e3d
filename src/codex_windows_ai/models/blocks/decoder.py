"""A decoder's blocks, put together as its `DecoderSpec` says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codex_windows_ai.models.blocks.attention import Attention, AttentionInputs
from codex_windows_ai.models.blocks.convolution import ShortConvolution
from codex_windows_ai.models.blocks.embedding import INPUT_IDS, Embedding, Head, keep_positions
from codex_windows_ai.models.blocks.layer_inputs import LayerInput, LayerInputs
from codex_windows_ai.models.blocks.linear_attention import LinearAttention
from codex_windows_ai.models.blocks.mlp import Mlp
from codex_windows_ai.models.blocks.moe import Moe
from codex_windows_ai.models.blocks.norm import Norm
from codex_windows_ai.models.blocks.products import BLOCK_SIZE
from codex_windows_ai.models.blocks.rope import RotaryTables, build_tables, rotary_tables
from codex_windows_ai.models.blocks.weights import Experts, Matrix, Vector
from codex_windows_ai.models.spec import AttentionSpec, LinearAttentionSpec, MoeSpec, ShortConvolutionSpec

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from codex_windows_ai.models.blocks.graph_builder import GraphBuilder
    from codex_windows_ai.models.blocks.products import Products
    from codex_windows_ai.models.spec import DecoderSpec, LayerSpec, MlpSpec, RopeSpec

_SHORTEST = "a convolution must see more than one token"
_HEAD_SIZE_MULTIPLE = 16  # what GroupQueryAttention asks of heads that it turns, and of the part of them that it turns


class Layer:
    """One layer. Between layers go two tensors [batch, sequence, hidden_size]: the hidden state and its next norm.

    So the sum that ends a layer and the norm that begins the next are one fused node, where nothing comes between.
    """

    def __init__(
        self, number: int, spec: LayerSpec, decoder: DecoderSpec, rotary: Mapping[RopeSpec, RotaryTables]
    ) -> None:
        def norm(part: str, output: str) -> Norm:
            weight = Vector(part, number, decoder.hidden_size)
            return Norm(weight, decoder.norm_epsilon, f"layers.{number}.{output}")

        self.attention_norm = norm("attention_norm", "attention_input")
        if isinstance(spec.attention, LinearAttentionSpec):
            self.attention = LinearAttention(number, spec.attention, self.attention_norm)
        elif isinstance(spec.attention, ShortConvolutionSpec):
            self.attention = ShortConvolution(number, spec.attention, self.attention_norm)
        else:
            tables = rotary[spec.attention.rope] if spec.attention.rope else None
            self.attention = Attention(number, spec.attention, self.attention_norm, tables)
        self.feed_forward_norm = norm("feed_forward_norm", "feed_forward_input")
        self.mlp = _mlp(number, spec.mlp, self.feed_forward_norm)
        self._post_norms = (
            (norm("post_attention_norm", "attention_normed"), norm("post_feed_forward_norm", "feed_forward_normed"))
            if spec.post_norms
            else ()
        )
        self._residual_scale = spec.residual_scale
        self._input = LayerInput(number, decoder) if decoder.layer_input_size else None
        self._output_scale = Vector("output_scale", number, 1) if spec.output_scale else None

    @property
    def norms(self) -> tuple[Norm, ...]:
        """The norms that its matrices read, in the order of the computation."""
        return self.attention_norm, self.feed_forward_norm

    @property
    def matrices(self) -> tuple[Matrix, ...]:
        """Its matrices, in the order of the computation."""
        return *self.attention.matrices, *self.mlp.matrices, *(self._input.matrices if self._input else ())

    @property
    def vectors(self) -> tuple[Vector, ...]:
        """The weights of its norms and the biases of its products."""
        norms = (*self.norms, *self.attention.norms, *self._post_norms, *([self._input.norm] if self._input else ()))
        scales = [self._output_scale] if self._output_scale else ()
        others = (*self.attention.vectors, *self.mlp.vectors, *scales)
        return *(norm.weight for norm in norms), *others, *biases_of(self.matrices)

    def build(
        self,
        build: GraphBuilder,
        products: Products,
        inputs: AttentionInputs,
        normed: str,
        hidden: str,
        next_norm: Norm,
        *,
        layer_input: str = "",
        is_last: bool = False,
    ) -> tuple[str, str]:
        """The layer's `normed` and `hidden` for the next one; of the last, only positions whose logits are kept."""
        context = self.attention.context(build, products, inputs, normed)
        if is_last:  # nothing but the logits depends on what follows
            context, hidden, *rest = keep_positions(build, context, hidden, *([layer_input] if layer_input else []))
            layer_input = rest[0] if rest else ""
        attended = self._finished(build, self.attention.project(build, products, context), 0)
        normed, hidden = self.feed_forward_norm.add_and_apply(build, attended, hidden)
        fed = self._finished(build, self.mlp.build(build, products, normed), 1)
        if self._input is None and self._output_scale is None:
            return next_norm.add_and_apply(build, fed, hidden)
        hidden = self._ended(build, products, build.node("Add", [hidden, fed], f"{fed}.added"), layer_input)
        return next_norm.apply(build, hidden), hidden

    def _ended(self, build: GraphBuilder, products: Products, hidden: str, layer_input: str) -> str:
        """The hidden state behind the MLP, as the next layer reads it."""
        if self._input:
            hidden = self._input.build(build, products, layer_input, hidden)
        if self._output_scale:
            hidden = build.node("Mul", [hidden, self._output_scale.name], f"{self._output_scale.name}.scaled")
        return hidden

    def _finished(self, build: GraphBuilder, output: str, place: int) -> str:
        """What attention (`place` 0) or MLP (1) gives, as it is added."""
        if self._post_norms:
            output = self._post_norms[place].apply(build, output)
        return build.scaled(output, self._residual_scale, f"{output}.scaled")


class Decoder:
    """All blocks of one decoder; their weights are named by `matrices` and `vectors`."""

    def __init__(self, spec: DecoderSpec) -> None:
        self.spec = spec
        self.rotary = rotary_tables(spec)
        self.layers = [Layer(number, layer, spec, self.rotary) for number, layer in enumerate(spec.layers)]
        self.final_norm = Norm(Vector("final_norm", None, spec.hidden_size), spec.norm_epsilon, "final")
        self.embedding = Embedding(spec, self.final_norm)
        self.layer_inputs = LayerInputs(spec) if spec.layer_input_size else None
        self.head = Head(spec, self.final_norm)

    @property
    def matrices(self) -> list[Matrix]:
        """All matrices that are stored; a tied head's is the embedding's."""
        head = [] if self.spec.tied_embeddings else [self.head.matrix]
        return [*self.tables, *head, *self._between]

    @property
    def tables(self) -> list[Matrix]:
        """The matrices of which rows are looked up."""
        return [self.embedding.matrix, *([self.layer_inputs.table] if self.layer_inputs else [])]

    @property
    def multiplied(self) -> list[Matrix]:
        """The matrices that are multiplied with, a tied head among them, by its own name."""
        return [self.head.matrix, *self._between]

    @property
    def _between(self) -> list[Matrix]:
        """The matrices between embedding and head."""
        projections = [self.layer_inputs.projection] if self.layer_inputs else []
        return [*projections, *(matrix for layer in self.layers for matrix in layer.matrices)]

    @property
    def experts(self) -> list[Experts]:
        """The matrices of all experts, each once for a layer; they have biases of their own."""
        return [experts for layer in self.layers for experts in layer.mlp.experts]

    @property
    def vectors(self) -> list[Vector]:
        """All vectors that a model file holds."""
        ends = [self.final_norm.weight, *biases_of([self.head.matrix])]
        if self.layer_inputs:
            ends.append(self.layer_inputs.norm.weight)
        return ends + [vector for layer in self.layers for vector in layer.vectors]

    @property
    def attentions(self) -> list[Attention]:
        """Those of its layers that have keys and values."""
        return [layer.attention for layer in self.layers if isinstance(layer.attention, Attention)]

    def build(self, build: GraphBuilder, products: Products, *, cascade: bool, pieces: bool) -> None:
        """Collects the whole decoder's nodes in `build`."""
        for rope, tables in self.rotary.items():
            build_tables(build, rope, tables, self.spec.context_length)
        inputs = AttentionInputs(build, self.attentions, cascade=cascade, pieces=pieces)
        hidden = self.embedding.build(build, products)
        layer_inputs = [""] * len(self.layers)
        if self.layer_inputs:
            layer_inputs = self.layer_inputs.build(build, products, INPUT_IDS, hidden)
        normed = self.layers[0].attention_norm.apply(build, hidden)
        next_norms = [*(layer.attention_norm for layer in self.layers[1:]), self.final_norm]
        for layer, layer_input, next_norm in zip(self.layers, layer_inputs, next_norms, strict=True):
            is_last = next_norm is self.final_norm
            normed, hidden = layer.build(
                build, products, inputs, normed, hidden, next_norm, layer_input=layer_input, is_last=is_last
            )
        self.head.build(build, products, normed)


def _mlp(number: int, spec: MlpSpec | MoeSpec, norm: Norm) -> Mlp | Moe:
    return Moe(number, spec, norm) if isinstance(spec, MoeSpec) else Mlp(number, spec, norm)


def biases_of(matrices: Iterable[Matrix]) -> list[Vector]:
    """The biases of those that have one."""
    return [matrix.bias for matrix in matrices if matrix.bias]


def problems(spec: DecoderSpec) -> list[str]:
    """What keeps a decoder from being built, in words; nothing where it can be."""
    found = [] if spec.layers else ["layers, widths and heads must be positive"]
    if spec.is_recurrent and not spec.attentions:
        found.append("no layer has attention, and the engine counts a sequence's tokens by its keys")
    for layer in spec.layers:
        found += _layer_problems(spec, layer)
    return list(dict.fromkeys(found))


def _layer_problems(spec: DecoderSpec, layer: LayerSpec) -> list[str]:
    if isinstance(layer.attention, LinearAttentionSpec):
        width, found = layer.attention.value_size, _linear_problems(layer.attention)
    elif isinstance(layer.attention, ShortConvolutionSpec):
        width, found = spec.hidden_size, [] if layer.attention.kernel > 1 else [_SHORTEST]
    else:
        width, found = layer.attention.query_size, _attention_problems(layer.attention)
    if isinstance(layer.mlp, MoeSpec) and not 1 <= layer.mlp.used <= layer.mlp.experts:
        found.append(f"of {layer.mlp.experts} experts {layer.mlp.used} cannot read a token")
    if min(spec.hidden_size, layer.mlp.size) < 1:
        found.append("layers, widths and heads must be positive")
    if any(size % BLOCK_SIZE for size in (spec.hidden_size, layer.mlp.size, width, spec.layer_input_size)):
        found.append(f"widths must be multiples of {BLOCK_SIZE}")
    return found


def _linear_problems(linear: LinearAttentionSpec) -> list[str]:
    heads, key_heads = linear.value_heads, linear.key_heads
    found = [] if linear.kernel > 1 else [_SHORTEST]
    if min(heads, key_heads, linear.key_head_size, linear.value_head_size) < 1:
        found.append("layers, widths and heads must be positive")
    elif heads % key_heads:
        found.append(f"{heads} value heads do not share {key_heads} key heads evenly")
    return found


def _attention_problems(attention: AttentionSpec) -> list[str]:
    rope, found = attention.rope, list[str]()
    if min(attention.heads, attention.kv_heads, attention.head_size) < 1:
        found.append("layers, widths and heads must be positive")
    elif attention.heads % attention.kv_heads:
        found.append(f"{attention.heads} heads do not share {attention.kv_heads} key/value heads evenly")
    sizes = {"head size": attention.head_size} | ({"turned part of a head": rope.size} if rope else {})
    found += [
        f"the {name}, {size}, must be a multiple of {_HEAD_SIZE_MULTIPLE}"
        for name, size in sizes.items()
        if size % _HEAD_SIZE_MULTIPLE
    ]
    return found
