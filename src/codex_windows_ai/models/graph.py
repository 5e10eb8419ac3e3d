"""The ONNX graph of a Llama-family decoder, in the operators that ONNX Runtime GenAI's model builder emits.

Operators of the domain com.microsoft:
https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md

Inputs: `input_ids` int64 [batch, sequence]; `attention_mask` int64 [batch, total], row b holding as
many ones as the sequence has tokens, past and new; `past_key_values.N.key` and `.value` float32
[batch, kv_heads, past, head_size]. Optional input: `logits_to_keep` int64 [1], for how many of the
last positions logits are computed; 0, the default, means all. It is an initializer that is also a graph
input, so runtimes that do not know it (ONNX Runtime GenAI) need not pass it. A session lists it among
`get_overridable_initializers()`; of an IOBinding's methods, `bind_ortvalue_input` is the one that takes it.
Outputs: `logits` float32 [batch, kept, vocabulary]; `present.N.key` and `.value`, like the past.

There are two graphs over the same weights. The portable one multiplies as that builder's does, and every
runtime and device takes it. The other, for processors, computes the products of `INTEGER_PRODUCTS`, more than
half of all work, as integers: a row of activations is rounded to 8 bits with one scale instead of one for 32
of them, and ONNX Runtime's int8 kernels take less than half the time of MatMulNBits'. It also has optional
inputs for a prefix that all rows share, in passes with one new token a row: `shared_length` int64 [1], the
prefix's tokens, and `shared.N.key` and `.value` float32 [kv_heads, shared_length, head_size]. All other inputs
and outputs then have only what follows the prefix; `attention` is where it is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from onnx import ModelProto, TensorProto, helper

from codex_windows_ai.models.architecture import Architecture
from codex_windows_ai.models.attention import (
    ATTENTION_MASK,
    PAST_KEY,
    PAST_VALUE,
    PRESENT_KEY,
    PRESENT_VALUE,
    SHARED_KEY,
    SHARED_LENGTH,
    SHARED_VALUE,
    Attention,
)
from codex_windows_ai.models.graph_builder import MICROSOFT, WEIGHT_BITS, GraphBuilder
from codex_windows_ai.models.quantization import BLOCK_SIZE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onnx import ValueInfoProto

INPUT_IDS = "input_ids"
LOGITS_TO_KEEP = "logits_to_keep"
LOGITS = "logits"

INTEGER_PRODUCTS = ("attention_output", "gate_up")
"""Parts of a layer whose activations bear one scale a row; those of the others would cost quality."""

_OPSET, _MICROSOFT_OPSET, _IR_VERSION = 21, 1, 10


@dataclass(frozen=True, slots=True)
class GraphSpec:
    """What the graph depends on; the weights come as initializers that `weights.WeightWriter` names."""

    architecture: Architecture
    for_processors: bool = False
    """Instead of the portable one."""


def layer_weight(layer: int, part: str) -> str:
    """Name of a weight of one layer.

    Quantised matrices add `.codes`, `.scales`, `.zero_points`; those with one scale a row also `.rows`
    (the codes again, [rows, columns]) and `.row_scales`.
    """
    return f"layers.{layer}.{part}"


def build_model(spec: GraphSpec, weights: Sequence[TensorProto]) -> ModelProto:
    """The model over the given initializers, which `convert.write_weights` makes."""
    architecture = spec.architecture
    build = GraphBuilder()
    attention = Attention(build, architecture, cascade=spec.for_processors)
    hidden = _embedded(build, architecture)
    normed = build.node(
        "SimplifiedLayerNormalization",
        [hidden, layer_weight(0, "attention_norm")],
        "layers.0.attention_input",
        axis=-1,
        epsilon=architecture.norm_epsilon,
        stash_type=1,
    )
    for layer in range(architecture.layers):
        context = attention.context(layer, _packed(build, architecture, layer, normed))
        last = layer + 1 == architecture.layers
        if last:  # nothing but the logits depends on what follows
            context, hidden = _kept(build, context, hidden)
        normed, hidden = build.add_and_norm(
            _product(
                build, spec, layer, "attention_output", context, architecture.query_size, architecture.hidden_size
            ),
            hidden,
            layer_weight(layer, "feed_forward_norm"),
            architecture.norm_epsilon,
            f"layers.{layer}.feed_forward_input",
        )
        normed, hidden = build.add_and_norm(
            _feed_forward(build, spec, layer, normed),
            hidden,
            "final_norm" if last else layer_weight(layer + 1, "attention_norm"),
            architecture.norm_epsilon,
            "final" if last else f"layers.{layer + 1}.attention_input",
        )
    build.matmul(normed, "output", architecture.hidden_size, architecture.vocabulary_size, LOGITS)
    graph = helper.make_graph(
        build.nodes,
        architecture.model_type,
        _inputs(spec),
        _outputs(architecture),
        [*(weight for weight in weights if weight.name in build.used), *build.constants],
    )
    return helper.make_model(
        graph,
        producer_name="codex-windows-ai",
        ir_version=_IR_VERSION,
        opset_imports=[helper.make_opsetid("", _OPSET), helper.make_opsetid(MICROSOFT, _MICROSOFT_OPSET)],
    )


def _embedded(build: GraphBuilder, architecture: Architecture) -> str:
    hidden = build.node(
        "GatherBlockQuantized",
        ["embedding.rows", INPUT_IDS, "embedding.scales", "embedding.zero_points"],
        "embedding",
        MICROSOFT,
        bits=WEIGHT_BITS,
        block_size=BLOCK_SIZE,
        gather_axis=0,
        quantize_axis=1,
    )
    if architecture.tied_embeddings:  # the rows are smoothed for the output projection
        return build.node("Mul", [hidden, "embedding.unsmoothing"], "embedding.plain")
    return hidden


def _product(build: GraphBuilder, spec: GraphSpec, layer: int, part: str, source: str, columns: int, rows: int) -> str:
    weight, output = layer_weight(layer, part), f"layers.{layer}.{part}.output"
    if spec.for_processors and part in INTEGER_PRODUCTS:
        return build.integer_matmul(source, weight, output)
    return build.matmul(source, weight, columns, rows, output)


def _packed(build: GraphBuilder, architecture: Architecture, layer: int, normed: str) -> str:
    """Queries, keys and values as one product."""
    return build.matmul(
        normed,
        layer_weight(layer, "query_key_value"),
        architecture.hidden_size,
        architecture.query_size + 2 * architecture.key_size,
        f"layers.{layer}.packed",
        layer_weight(layer, "query_key_value.bias") if architecture.attention_bias else "",
    )


def _feed_forward(build: GraphBuilder, spec: GraphSpec, layer: int, normed: str) -> str:
    """SwiGLU (arXiv 2002.05202): down(silu(gate) * up), gate and up as one product."""
    hidden, width = spec.architecture.hidden_size, spec.architecture.feed_forward_size
    both = _product(build, spec, layer, "gate_up", normed, hidden, 2 * width)
    gate, up = f"layers.{layer}.gate", f"layers.{layer}.up"
    build.nodes_of("Split", [both], [gate, up], axis=-1, num_outputs=2)
    sigmoid = build.node("Sigmoid", [gate], f"layers.{layer}.sigmoid")
    silu = build.node("Mul", [gate, sigmoid], f"layers.{layer}.silu")
    gated = build.node("Mul", [silu, up], f"layers.{layer}.gated")
    return _product(build, spec, layer, "down", gated, width, hidden)


def _kept(build: GraphBuilder, *sources: str) -> list[str]:
    """Of each source `source[:, -logits_to_keep:]`: with 0 that is everything, as -0 is the first position."""
    build.constant(LOGITS_TO_KEEP, [0])
    start = build.node("Neg", [LOGITS_TO_KEEP], "kept_start")
    end, axis = build.constant("end", [np.iinfo(np.int64).max]), build.constant("axis_1", [1])
    return [build.node("Slice", [source, start, end, axis], f"{source}.kept") for source in sources]


def _value(name: str, data_type: int, shape: Sequence[int | str]) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, data_type, shape)


def _inputs(spec: GraphSpec) -> list[ValueInfoProto]:
    architecture = spec.architecture
    past = ("batch", architecture.kv_heads, "past", architecture.head_size)
    return [
        _value(INPUT_IDS, TensorProto.INT64, ("batch", "sequence")),
        _value(ATTENTION_MASK, TensorProto.INT64, ("batch", "total")),
        *(
            _value(name % layer, TensorProto.FLOAT, past)
            for layer in range(architecture.layers)
            for name in (PAST_KEY, PAST_VALUE)
        ),
        _value(LOGITS_TO_KEEP, TensorProto.INT64, (1,)),
        *(_shared_prefix(architecture) if spec.for_processors else ()),
    ]


def _shared_prefix(architecture: Architecture) -> list[ValueInfoProto]:
    prefix = (architecture.kv_heads, "shared", architecture.head_size)
    return [
        _value(SHARED_LENGTH, TensorProto.INT64, (1,)),
        *(
            _value(name % layer, TensorProto.FLOAT, prefix)
            for layer in range(architecture.layers)
            for name in (SHARED_KEY, SHARED_VALUE)
        ),
    ]


def _outputs(architecture: Architecture) -> list[ValueInfoProto]:
    present = ("batch", architecture.kv_heads, "total", architecture.head_size)
    return [
        _value(LOGITS, TensorProto.FLOAT, ("batch", "kept", architecture.vocabulary_size)),
        *(
            _value(name % layer, TensorProto.FLOAT, present)
            for layer in range(architecture.layers)
            for name in (PRESENT_KEY, PRESENT_VALUE)
        ),
    ]
