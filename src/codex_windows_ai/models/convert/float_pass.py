"""A decoder's own blocks in float32, over a few tokens: what calibration looks at, and answers are judged by.

One layer is in memory at a time. Its graph is built once for all layers of the same kind, and takes its weights as
inputs, straight from the model file; so neither the converted weights nor the whole model in float32 is needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper

from codex_windows_ai.models.blocks.attention import ATTENTION_MASK, AttentionInputs, Shape
from codex_windows_ai.models.blocks.decoder import Decoder, Layer
from codex_windows_ai.models.blocks.embedding import INPUT_IDS
from codex_windows_ai.models.blocks.graph_builder import GraphBuilder
from codex_windows_ai.models.blocks.norm import Norm
from codex_windows_ai.models.blocks.products import FloatProducts
from codex_windows_ai.models.blocks.rope import RotaryTables, rotary_values
from codex_windows_ai.models.blocks.weights import Vector
from codex_windows_ai.models.convert.experts import expert_arrays
from codex_windows_ai.models.convert.graph import model_of
from codex_windows_ai.models.convert.session import Session
from codex_windows_ai.models.convert.source import SourceWeights
from codex_windows_ai.models.spec import AttentionSpec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from codex_windows_ai.models.spec import LayerSpec

    Array = NDArray[np.float32]

_NORMED, _HIDDEN, _LAYER_INPUT = "normed", "hidden", "layer_input"
_PRODUCTS = FloatProducts()


def norm_outputs(source: SourceWeights, tokens: list[int]) -> Iterator[tuple[Norm, Array]]:
    """Every norm of the decoder, in the order of the computation, with what it gives: [1, tokens, hidden_size].

    Raises ModelFileError: weights that are not finite, or a graph that does not run.
    """
    decoder, layers = source.decoder, source.decoder.layers
    passes: dict[LayerSpec, _LayerPass] = {}
    read_again = {attention.reads_layer for attention in decoder.spec.attentions}
    kept: dict[str, Array] = {}
    normed, hidden, *layer_inputs = _embedded(source, tokens)
    yield layers[0].attention_norm, normed
    following = [*(layer.attention_norm for layer in layers[1:]), decoder.final_norm]
    for number, (layer, spec, next_norm) in enumerate(zip(layers, decoder.spec.layers, following, strict=True)):
        if spec not in passes:
            passes[spec] = _LayerPass(decoder, spec, len(tokens))
        inputs = {_NORMED: normed, _HIDDEN: hidden, **kept}
        if layer_inputs:
            inputs[_LAYER_INPUT] = layer_inputs[number]
        outputs, present = passes[spec].run(source, layer, next_norm, inputs)
        *within, normed, hidden = outputs
        if number in read_again:
            kept |= zip(layer.attention.present, present, strict=True)
        yield from zip((*layer.norms[1:], next_norm), (*within, normed), strict=True)


def logits(source: SourceWeights, tokens: list[int]) -> Array:
    """What the head makes of every position: [1, tokens, vocabulary_size]. Raises as `norm_outputs`."""
    *_, (_, final) = norm_outputs(source, tokens)
    return head_logits(source, final[0])[None]


def head_logits(source: SourceWeights, final: Array) -> Array:
    """What the head makes of what the last norm gives, [tokens, hidden_size]: [tokens, vocabulary_size].

    Its matrix is read slice by slice: as a whole it would be most of what is in memory.
    """
    decoder = source.decoder
    spec, head = decoder.spec, decoder.head.matrix
    matrix = decoder.embedding.matrix if spec.tied_embeddings else head
    found = np.concatenate([final @ rows.T for rows in source.slices(matrix)], axis=1)
    if head.bias:
        found += source.vector(head.bias)
    found *= np.float32(spec.logit_scale)
    return np.tanh(found / spec.logit_softcap) * spec.logit_softcap if spec.logit_softcap else found


def _embedded(source: SourceWeights, tokens: list[int]) -> list[Array]:
    """The first norm, the hidden state that it reads, and the inputs of layers, by the tokens' rows of tables alone."""
    build, decoder = GraphBuilder(), source.decoder
    norm, layer_inputs = decoder.layers[0].attention_norm, decoder.layer_inputs
    hidden = decoder.embedding.build(build, _PRODUCTS)
    outputs = [norm.apply(build, hidden), hidden]
    known, places = np.unique(np.array([tokens], np.int64), return_inverse=True)
    feeds: dict[str, NDArray[Any]] = {
        INPUT_IDS: places.reshape(1, -1).astype(np.int64),
        norm.weight.name: source.vector(norm.weight),
    }
    feeds |= {table.name: source.rows(table, known.tolist()) for table in decoder.tables}
    if layer_inputs:
        outputs += layer_inputs.build(build, _PRODUCTS, INPUT_IDS, hidden)
        feeds[layer_inputs.projection.name] = source.matrix(layer_inputs.projection)
        feeds[layer_inputs.norm.weight.name] = source.vector(layer_inputs.norm.weight)
    return _session_of(build, feeds, outputs, "embedding").run(outputs, feeds)


class _LayerPass:
    """The graph of one kind of layer, over `length` tokens with nothing before them."""

    def __init__(self, decoder: Decoder, spec: LayerSpec, length: int) -> None:
        rope = spec.attention.rope if isinstance(spec.attention, AttentionSpec) else None
        self._layer = Layer(0, spec, decoder.spec, {rope: RotaryTables()} if rope else {})
        self._next = Norm(Vector("next_norm", None, decoder.spec.hidden_size), decoder.spec.norm_epsilon, "next")
        self._build = GraphBuilder()
        inputs = AttentionInputs(self._build, [])
        layer_input = _LAYER_INPUT if decoder.layer_inputs else ""
        normed, hidden = self._layer.build(
            self._build, _PRODUCTS, inputs, _NORMED, _HIDDEN, self._next, layer_input=layer_input
        )
        self._outputs = (*(norm.output for norm in self._layer.norms[1:]), normed, hidden)
        self._fixed = first_pass(self._layer.attention.past, length)
        if rope:
            self._fixed |= dict(zip(RotaryTables(), rotary_values(rope, length), strict=True))
        self._session: Session | None = None

    def run(
        self, source: SourceWeights, layer: Layer, next_norm: Norm, inputs: Mapping[str, Array]
    ) -> tuple[list[Array], list[Array]]:
        """The norms within the layer that matrices read, the next layer's norm, and the hidden state; and besides its
        keys and values. Of `inputs` it takes those that it reads.
        """
        feeds = {**inputs, self._next.weight.name: source.vector(next_norm.weight)}
        for here, wanted in zip(self._layer.vectors, layer.vectors, strict=True):
            feeds[here.name] = source.vector(wanted)
        for here, wanted in zip(self._layer.matrices, layer.matrices, strict=True):
            feeds[here.name] = source.matrix(wanted)
        for here, wanted in zip(self._layer.mlp.experts, layer.mlp.experts, strict=True):
            feeds |= {f"{here.name}.{part}": values for part, values in expert_arrays(source, wanted).items()}
        feeds = {name: values for name, values in feeds.items() if name in self._build.used} | self._fixed
        outputs = [*self._outputs, *self._layer.attention.present]
        if self._session is None:
            self._session = _session_of(self._build, feeds, outputs, "layer")
        found = self._session.run(outputs, feeds)
        return found[: len(self._outputs)], found[len(self._outputs) :]


def first_pass(past: Mapping[str, Shape], length: int) -> dict[str, NDArray[Any]]:
    """The inputs of a pass over one sequence's first `length` tokens, besides the tokens: its mask, and no past."""
    mask = np.ones((1, length), np.int64)
    return {ATTENTION_MASK: mask} | {
        name: np.zeros([size if isinstance(size, int) else int(size == "batch") for size in shape], np.float32)
        for name, shape in past.items()
    }


def _session_of(build: GraphBuilder, feeds: Mapping[str, NDArray[Any]], outputs: Sequence[str], name: str) -> Session:
    """What was collected in `build`, with inputs of the types and ranks of `feeds`."""
    inputs = [
        helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(values.dtype), [f"{name}.{axis}" for axis in range(values.ndim)]
        )
        for name, values in feeds.items()
    ]
    results = [helper.make_tensor_value_info(output, TensorProto.FLOAT, None) for output in outputs]
    graph = helper.make_graph(build.nodes, name, inputs, results, build.constants)
    return Session(model_of(graph).SerializeToString(), f"({name} in float32)")
