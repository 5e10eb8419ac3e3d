"""The ONNX graphs of a decoder, in the operators that ONNX Runtime GenAI's model builder emits.

Inputs: `input_ids` int64 [batch, sequence]; `attention_mask` int64 [batch, total], row b holding as
many ones as the sequence has tokens, past and new; `past_key_values.N.key` and `.value` float32
[batch, kv_heads, past, head_size]. Optional input: `logits_to_keep` int64 [1], for how many of the
last positions logits are computed; 0, the default, means all. It is an initializer that is also a graph
input, so runtimes that do not know it (ONNX Runtime GenAI) need not pass it. A session lists it among
`get_overridable_initializers()`; of an IOBinding's methods, `bind_ortvalue_input` is the one that takes it.
Outputs: `logits` float32 [batch, kept, vocabulary]; `present.N.key` and `.value`, like the past.

There are two graphs over the same weights. The portable graph multiplies as that builder's does, and every
runtime and device takes it. Where all weights were rounded to 8 bits for its sake, the CPU graph computes the products
of layers as integers: a row of activations, spread (`blocks.spreading`), is rounded to 8 bits with one scale instead of
one for 32 of them, and ONNX Runtime's int8 kernels take about half the time of MatMulNBits'. The
CPU graph also has optional inputs for a prefix that all sequences share, in passes with one new token each:
`shared_length` int64 [1], the prefix's tokens, and `shared.N.key` and `.value` float32 [kv_heads, shared_length,
head_size]. All other inputs and outputs then have only what follows the prefix. And it has some for a piece of one more
sequence's prompt in such a pass: `piece_length` int64 [1], its tokens, `piece_past` int64 [1], those that were computed
before, and `piece.N.key` and `.value` like the past of one sequence, with outputs `piece_present.N.key` and `.value`.
Then `input_ids` is [1, piece_length + batch], the piece's tokens and behind them one of each sequence of the batch, and
`logits` is [1, kept, vocabulary]. `blocks.attention` is where both are read.

Layers without keys and values have states instead: `past_conv.N` float32 [batch, kernel - 1, channels] and
`past_state.N` float32 [batch, heads, key head size, value head size], zero before the first token, with outputs
`present_conv.N` and `present_state.N`. The CPU graph then has neither of the two above. `past_state.N` may be the
memory of `present_state.N`; `past_conv.N` may not be that of `present_conv.N`. There is no padding: all rows of a pass
have as many new tokens, each behind a past of its own length.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from onnx import ModelProto, TensorProto, helper

from codex_windows_ai.models.blocks.attention import ATTENTION_MASK, Shape
from codex_windows_ai.models.blocks.embedding import INPUT_IDS, LOGITS
from codex_windows_ai.models.blocks.graph_builder import MICROSOFT, GraphBuilder
from codex_windows_ai.models.blocks.products import Products, QuantizedProducts
from codex_windows_ai.models.decoder_graph import LOGITS_TO_KEEP, PIECE_LENGTH, PIECE_PAST, SHARED_LENGTH

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from onnx import GraphProto, ValueInfoProto

    from codex_windows_ai.models.blocks.decoder import Decoder
    from codex_windows_ai.models.convert.weights import StoredForms

_OPSET, _MICROSOFT_OPSET, _IR_VERSION = 21, 1, 10
_IR_VERSION_OF_POWERS = 12
"""The first with the type of the scales of MXFP4, which are powers of two."""


@dataclass(frozen=True, slots=True)
class GraphForm:
    """What tells the graphs of one decoder apart."""

    products: Products
    cascade: bool
    """Attention can read a prefix once for all sequences, where a decoder's every token sees all before it."""
    pieces: bool
    """A pass can read a piece of a prompt beside those that decode, where positions only count in attention."""

    def cascades(self, decoder: Decoder) -> bool:
        """Whether the graph of this decoder has the inputs for that."""
        return self.cascade and decoder.spec.sees_everything

    def takes_pieces(self, decoder: Decoder) -> bool:
        """Whether the graph of this decoder has the inputs for that."""
        tempered = any(attention.temperature for attention in decoder.spec.attentions)
        return self.pieces and not tempered and not decoder.spec.is_recurrent


def portable(forms: StoredForms) -> GraphForm:
    """The graph that every runtime and device takes."""
    return GraphForm(QuantizedProducts(forms.by_name, forms.smoothed, forms.whole_rows), cascade=False, pieces=False)


def for_cpu(forms: StoredForms, integers: frozenset[str] = frozenset()) -> GraphForm:
    """The graph that processors compute faster; `integers` are of those matrices that have whole rows."""
    products = QuantizedProducts(forms.by_name, forms.smoothed, forms.whole_rows, integers)
    return GraphForm(products, cascade=True, pieces=True)


def build_model(decoder: Decoder, form: GraphForm, weights: Sequence[TensorProto]) -> ModelProto:
    """The model over the given initializers, which `weights.WeightWriter` writes."""
    build = GraphBuilder()
    decoder.build(build, form.products, cascade=form.cascades(decoder), pieces=form.takes_pieces(decoder))
    graph = helper.make_graph(
        build.nodes,
        decoder.spec.family,
        _inputs(decoder, form),
        _outputs(decoder, form),
        [*(weight for weight in weights if weight.name in build.used), *build.constants],
    )
    return model_of(graph)


def model_of(graph: GraphProto) -> ModelProto:
    """The graph as a model, with the versions of the operators that the blocks use."""
    has_powers = any(tensor.data_type == TensorProto.FLOAT8E8M0 for tensor in graph.initializer)
    return helper.make_model(
        graph,
        producer_name="codex-windows-ai",
        ir_version=_IR_VERSION_OF_POWERS if has_powers else _IR_VERSION,
        opset_imports=[helper.make_opsetid("", _OPSET), helper.make_opsetid(MICROSOFT, _MICROSOFT_OPSET)],
    )


def _values(shapes: Mapping[str, Shape]) -> list[ValueInfoProto]:
    return [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]


def _inputs(decoder: Decoder, form: GraphForm) -> list[ValueInfoProto]:
    attentions = decoder.attentions
    inputs = [
        helper.make_tensor_value_info(INPUT_IDS, TensorProto.INT64, ("batch", "sequence")),
        helper.make_tensor_value_info(ATTENTION_MASK, TensorProto.INT64, ("batch", "total")),
        *(value for layer in decoder.layers for value in _values(layer.attention.past)),
        helper.make_tensor_value_info(LOGITS_TO_KEEP, TensorProto.INT64, (1,)),
    ]
    if form.cascades(decoder):
        inputs.append(helper.make_tensor_value_info(SHARED_LENGTH, TensorProto.INT64, (1,)))
        inputs += [value for attention in attentions for value in _values(attention.shared)]
    if form.takes_pieces(decoder):
        inputs += [helper.make_tensor_value_info(name, TensorProto.INT64, (1,)) for name in (PIECE_LENGTH, PIECE_PAST)]
        inputs += [value for attention in attentions for value in _values(attention.piece_past)]
    return inputs


def _outputs(decoder: Decoder, form: GraphForm) -> list[ValueInfoProto]:
    logits: Shape = ("batch", "kept", decoder.spec.vocabulary_size)
    present = [value for layer in decoder.layers for value in _values(layer.attention.present)]
    if form.takes_pieces(decoder):
        present += [value for attention in decoder.attentions for value in _values(attention.piece_present)]
    return [*_values({LOGITS: logits}), *present]
