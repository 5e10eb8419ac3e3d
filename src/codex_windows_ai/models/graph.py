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
runtime and device takes it. The other, for processors, computes the widest products, half of all work, as
integers: a row of activations is rounded to 8 bits with one scale instead of one for 32 of them, and
ONNX Runtime's int8 kernels take less than half the time of MatMulNBits'.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, numpy_helper

from codex_windows_ai.models.architecture import Architecture
from codex_windows_ai.models.quantization import BLOCK_SIZE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from onnx import NodeProto, ValueInfoProto

INPUT_IDS = "input_ids"
ATTENTION_MASK = "attention_mask"
LOGITS_TO_KEEP = "logits_to_keep"
LOGITS = "logits"
PAST_KEY, PAST_VALUE = "past_key_values.%d.key", "past_key_values.%d.value"
PRESENT_KEY, PRESENT_VALUE = "present.%d.key", "present.%d.value"

_MICROSOFT = "com.microsoft"
_OPSET, _MICROSOFT_OPSET, _IR_VERSION = 21, 1, 10
_WEIGHT_BITS = 8
_INT8_ACTIVATIONS = 4  # MatMulNBits' accuracy_level


@dataclass(frozen=True, slots=True)
class GraphSpec:
    """What the graph depends on; the weights come as initializers that `weights.WeightWriter` names."""

    architecture: Architecture
    integer_products: bool = False
    """The graph for processors instead of the portable one."""


def layer_weight(layer: int, part: str) -> str:
    """Name of a weight of one layer.

    Quantised matrices add `.codes`, `.scales`, `.zero_points`; those with one scale a row also `.rows`
    (the codes again, [rows, columns]) and `.row_scales`.
    """
    return f"layers.{layer}.{part}"


class _GraphBuilder:
    """Collects nodes; each method returns the name of its output."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def node(self, operator: str, inputs: Sequence[str], output: str, domain: str = "", **attributes: Any) -> str:
        self.nodes.append(helper.make_node(operator, inputs, [output], name=output, domain=domain, **attributes))
        return output

    def constant(self, name: str, values: list[int]) -> str:
        return self.array(name, np.array(values, np.int64))

    def array(self, name: str, values: np.ndarray[Any, Any]) -> str:
        if all(tensor.name != name for tensor in self.constants):
            self.constants.append(numpy_helper.from_array(values, name))
        return name

    def matmul(self, source: str, weight: str, columns: int, rows: int, output: str, bias: str = "") -> str:
        inputs = [source, f"{weight}.codes", f"{weight}.scales", f"{weight}.zero_points"]
        if bias:
            inputs += ["", bias]  # the input between is the group index
        return self.node(
            "MatMulNBits",
            inputs,
            output,
            _MICROSOFT,
            K=columns,
            N=rows,
            bits=_WEIGHT_BITS,
            block_size=BLOCK_SIZE,
            accuracy_level=_INT8_ACTIVATIONS,
        )

    def integer_matmul(self, source: str, weight: str, output: str) -> str:
        """The product with a matrix that has one scale a row, each row of `source` rounded to 8 bits with one too.

        Kernels are fast for uint8 activations with int8 weights, so the weights' codes change their sign
        bit; ONNX Runtime folds what is constant when it loads the graph.
        """
        step = self.array("one_127th", np.array(1 / 127, np.float32))
        centre = self.array("centre", np.array(128, np.uint8))
        size = self.node("Abs", [source], f"{output}.size")
        largest = self.node("ReduceMax", [size, self.constant("last_axis", [-1])], f"{output}.largest", keepdims=1)
        unit = self.node("Div", [source, largest], f"{output}.unit")
        codes = self.node("QuantizeLinear", [unit, step, centre], f"{output}.codes")
        flipped = self.node("BitwiseXor", [f"{weight}.rows", centre], f"{weight}.flipped")
        signed = self.node("Cast", [flipped], f"{weight}.signed", to=TensorProto.INT8)
        columns = self.node("Transpose", [signed], f"{weight}.columns", perm=[1, 0])
        product = self.node(
            "MatMulIntegerToFloat",
            [codes, columns, step, f"{weight}.row_scales", centre],
            f"{output}.product",
            _MICROSOFT,
        )
        return self.node("Mul", [product, largest], output)

    def add_and_norm(self, source: str, residual: str, weight: str, epsilon: float, output: str) -> tuple[str, str]:
        """The normalised sum and the sum itself."""
        total = f"{output}.sum"
        self.nodes.append(
            helper.make_node(
                "SkipSimplifiedLayerNormalization",
                [source, residual, weight],
                [output, "", "", total],
                name=output,
                domain=_MICROSOFT,
                epsilon=epsilon,
            )
        )
        return output, total


def build_model(spec: GraphSpec, weights: Sequence[TensorProto]) -> ModelProto:
    """The model over the given initializers, which `convert.write_weights` makes."""
    architecture = spec.architecture
    build = _GraphBuilder()
    lengths, longest = _sequence_lengths(build)
    hidden = build.node(
        "GatherBlockQuantized",
        ["embedding.rows", INPUT_IDS, "embedding.scales", "embedding.zero_points"],
        "embedding",
        _MICROSOFT,
        bits=_WEIGHT_BITS,
        block_size=BLOCK_SIZE,
        gather_axis=0,
        quantize_axis=1,
    )
    if architecture.tied_embeddings:  # the rows are smoothed for the output projection
        hidden = build.node("Mul", [hidden, "embedding.unsmoothing"], "embedding.plain")
    normed = build.node(
        "SimplifiedLayerNormalization",
        [hidden, layer_weight(0, "attention_norm")],
        "layers.0.attention_input",
        axis=-1,
        epsilon=architecture.norm_epsilon,
        stash_type=1,
    )
    for layer in range(architecture.layers):
        attended = _attention(build, spec, layer, normed, lengths, longest)
        normed, hidden = build.add_and_norm(
            attended,
            hidden,
            layer_weight(layer, "feed_forward_norm"),
            architecture.norm_epsilon,
            f"layers.{layer}.feed_forward_input",
        )
        fed = _feed_forward(build, spec, layer, normed)
        last = layer + 1 == architecture.layers
        normed, hidden = build.add_and_norm(
            fed,
            hidden,
            "final_norm" if last else layer_weight(layer + 1, "attention_norm"),
            architecture.norm_epsilon,
            "final" if last else f"layers.{layer + 1}.attention_input",
        )
    _logits(build, architecture, normed)
    used = {name for node in build.nodes for name in node.input}
    graph = helper.make_graph(
        build.nodes,
        architecture.model_type,
        _inputs(architecture),
        _outputs(architecture),
        [*(weight for weight in weights if weight.name in used), *build.constants],
    )
    return helper.make_model(
        graph,
        producer_name="codex-windows-ai",
        ir_version=_IR_VERSION,
        opset_imports=[helper.make_opsetid("", _OPSET), helper.make_opsetid(_MICROSOFT, _MICROSOFT_OPSET)],
    )


def _sequence_lengths(build: _GraphBuilder) -> tuple[str, str]:
    """GroupQueryAttention's seqlens_k (tokens of a row, less one) and total_sequence_length, both int32."""
    ones = build.node("ReduceSum", [ATTENTION_MASK, build.constant("axis_1", [1])], "lengths", keepdims=0)
    less_one = build.node("Sub", [ones, build.constant("one", [1])], "lengths_less_one")
    lengths = build.node("Cast", [less_one], "lengths_int32", to=TensorProto.INT32)
    width = build.node("Shape", [ATTENTION_MASK], "longest_int64", start=1, end=2)
    return lengths, build.node("Cast", [width], "longest", to=TensorProto.INT32)


def _attention(build: _GraphBuilder, spec: GraphSpec, layer: int, normed: str, lengths: str, longest: str) -> str:
    architecture = spec.architecture
    packed = build.matmul(
        normed,
        layer_weight(layer, "query_key_value"),
        architecture.hidden_size,
        architecture.query_size + 2 * architecture.key_size,
        f"layers.{layer}.packed",
        layer_weight(layer, "query_key_value.bias") if architecture.attention_bias else "",
    )
    context = f"layers.{layer}.context"
    build.nodes.append(
        helper.make_node(
            "GroupQueryAttention",
            [packed, "", "", PAST_KEY % layer, PAST_VALUE % layer, lengths, longest, "cosines", "sines"],
            [context, PRESENT_KEY % layer, PRESENT_VALUE % layer],
            name=context,
            domain=_MICROSOFT,
            num_heads=architecture.heads,
            kv_num_heads=architecture.kv_heads,
            do_rotary=1,
            rotary_interleaved=0,
        )
    )
    weight = layer_weight(layer, "attention_output")
    return build.matmul(context, weight, architecture.query_size, architecture.hidden_size, f"layers.{layer}.attended")


def _feed_forward(build: _GraphBuilder, spec: GraphSpec, layer: int, normed: str) -> str:
    """SwiGLU (arXiv 2002.05202): down(silu(gate) * up), gate and up as one product."""
    architecture, weight, both = spec.architecture, layer_weight(layer, "gate_up"), f"layers.{layer}.gate_up.output"
    width = architecture.feed_forward_size
    if spec.integer_products:
        build.integer_matmul(normed, weight, both)
    else:
        build.matmul(normed, weight, architecture.hidden_size, 2 * width, both)
    gate, up = f"layers.{layer}.gate", f"layers.{layer}.up"
    build.nodes.append(
        helper.make_node("Split", [both], [gate, up], name=f"layers.{layer}.split", axis=-1, num_outputs=2)
    )
    sigmoid = build.node("Sigmoid", [gate], f"layers.{layer}.sigmoid")
    silu = build.node("Mul", [gate, sigmoid], f"layers.{layer}.silu")
    gated = build.node("Mul", [silu, up], f"layers.{layer}.gated")
    return build.matmul(gated, layer_weight(layer, "down"), width, architecture.hidden_size, f"layers.{layer}.fed")


def _logits(build: _GraphBuilder, architecture: Architecture, normed: str) -> None:
    """Slices `normed[:, -logits_to_keep:]`: with 0 that is everything, as -0 is the first position."""
    build.constant(LOGITS_TO_KEEP, [0])
    start = build.node("Neg", [LOGITS_TO_KEEP], "kept_start")
    end = build.constant("end", [np.iinfo(np.int64).max])
    kept = build.node("Slice", [normed, start, end, "axis_1"], "kept")
    build.matmul(kept, "output", architecture.hidden_size, architecture.vocabulary_size, LOGITS)


def _value(name: str, data_type: int, shape: Sequence[int | str]) -> ValueInfoProto:
    return helper.make_tensor_value_info(name, data_type, shape)


def _inputs(architecture: Architecture) -> list[ValueInfoProto]:
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
