"""Attention: GroupQueryAttention, and in the CPU graph also its cascade over a prefix that all sequences share, and
a piece of a prompt that is read in the pass of those that decode.

The products of a pass do not care whose tokens they multiply. So a piece's tokens stand before those of the rows that
decode, as one sequence, and only here do they part: the piece meets the keys and values of its own slot as it would
alone in a pass, and so does each row, to the last bit.

A decode pass reads every sequence's keys and values, and agents of one kind begin with the same thousand
tokens. Where the engine says so, that prefix is read once, for all sequences together, as two plain matrix
products; GroupQueryAttention does what follows it in each sequence; and the two parts are weighed by the sums
under their softmaxes, which makes them what one softmax over everything gives. The method is that of
Hydragen (arXiv 2402.05099) and cascade attention (FlashInfer, arXiv 2501.01005).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto

from codex_windows_ai.models.blocks.graph_builder import MICROSOFT, GraphBuilder
from codex_windows_ai.models.blocks.norm import Norm, normalised
from codex_windows_ai.models.blocks.weights import Matrix, Vector, weight_name
from codex_windows_ai.models.decoder_graph import (
    PIECE_KEY,
    PIECE_LENGTH,
    PIECE_PAST,
    PIECE_PRESENT_KEY,
    PIECE_PRESENT_VALUE,
    PIECE_VALUE,
    SHARED_KEY,
    SHARED_LENGTH,
    SHARED_VALUE,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from onnx import GraphProto

    from codex_windows_ai.models.blocks.products import Products
    from codex_windows_ai.models.blocks.rope import RotaryTables
    from codex_windows_ai.models.spec import AttentionSpec, TemperatureSpec

ATTENTION_MASK = "attention_mask"
PAST_KEY, PAST_VALUE = "past_key_values.%d.key", "past_key_values.%d.value"
PRESENT_KEY, PRESENT_VALUE = "present.%d.key", "present.%d.value"

Shape = tuple[int | str, ...]
"""Of an input or output of a graph; a name stands for a size that a pass chooses."""

_SCORES = 1  # GroupQueryAttention's qk_output: the scores before their softmax
_MASKED = -1e9


class AttentionInputs:
    """What all layers of a graph read besides their own keys and values, or states.

    `lengths` and `longest` are GroupQueryAttention's seqlens_k (tokens of a sequence, less one) and
    total_sequence_length, both int32; `piece_lengths` and `piece_longest` are those of the piece.
    """

    def __init__(
        self, build: GraphBuilder, layers: Sequence[Attention], *, cascade: bool = False, pieces: bool = False
    ) -> None:
        self.cascade = cascade
        self.pieces = pieces
        ones = build.node("ReduceSum", [ATTENTION_MASK, build.constant("axis_1", [1])], "lengths", keepdims=0)
        less_one = build.node("Sub", [ones, build.constant("one", [1])], "lengths_less_one")
        self.lengths = build.node("Cast", [less_one], "lengths_int32", to=TensorProto.INT32)
        width = build.node("Shape", [ATTENTION_MASK], "longest_int64", start=1, end=2)
        self.longest = build.node("Cast", [width], "longest", to=TensorProto.INT32)
        if cascade:
            self._prepare_cascade(build, layers)
        if pieces:
            self._prepare_pieces(build, layers)

    def _prepare_cascade(self, build: GraphBuilder, layers: Sequence[Attention]) -> None:
        """The optional inputs, and what every layer needs of them.

        `positions` [batch, 1] is where each sequence's one new token stands; `visible` [batch, 1, total] is true
        up to each sequence's end.
        """
        build.constant(SHARED_LENGTH, [0])
        for attention in layers:
            _optional(build, attention.shared)
        is_shared = build.node("Greater", [SHARED_LENGTH, build.constant("zero", [0])], "is_shared_1")
        build.reshape(is_shared, [], "is_shared")
        ends = build.node("Unsqueeze", ["lengths_less_one", build.constant("axis_1", [1])], "row_positions")
        build.node("Add", [ends, SHARED_LENGTH], "positions")
        seen = build.node("Cast", [ATTENTION_MASK], "seen", to=TensorProto.BOOL)
        build.node("Unsqueeze", [seen, "axis_1"], "visible")
        build.array("masked", np.array(_MASKED, np.float32))

    def _prepare_pieces(self, build: GraphBuilder, layers: Sequence[Attention]) -> None:
        """The optional inputs, and what every layer needs of them."""
        build.constant(PIECE_LENGTH, [0])
        build.constant(PIECE_PAST, [0])
        for attention in layers:
            _optional(build, attention.piece_past)
        there = build.node("Greater", [PIECE_LENGTH, build.constant("zero", [0])], "is_piece_1")
        build.reshape(there, [], "is_piece")
        total = build.node("Add", [PIECE_PAST, PIECE_LENGTH], "piece_total")
        less_one = build.node("Sub", [total, build.constant("one", [1])], "piece_less_one")
        self.piece_lengths = build.node("Cast", [less_one], "piece_lengths", to=TensorProto.INT32)
        self.piece_longest = build.node("Cast", [total], "piece_longest", to=TensorProto.INT32)

    def temperature(self, build: GraphBuilder, spec: TemperatureSpec, normed: str) -> str:
        """What the queries of the new tokens are multiplied by, [batch, sequence, 1]; made once for all layers."""
        at = f"temperature.{spec.slope:g}.{spec.length}"
        new = build.once("Shape", [normed], "new", start=1, end=2)
        order = build.numbers(build.once("Squeeze", [new], "new_count"), "order")
        past = build.once("Sub", ["lengths", new], "past_lengths")
        if self.cascade:
            past = build.once("Add", [past, SHARED_LENGTH], "past_with_shared")
        past = build.once("Unsqueeze", [past, build.constant("axis_1", [1])], "past_rows")
        places = build.once("Add", [past, order], "new_positions")
        laps = build.once("Div", [places, build.constant(f"{at}.length", [spec.length])], f"{at}.laps")
        laps = build.once("Cast", [laps], f"{at}.laps_float", to=TensorProto.FLOAT)
        one = build.array("one_float", np.array(1, np.float32))
        log = build.once("Log", [build.once("Add", [laps, one], f"{at}.laps_more")], f"{at}.log")
        growth = build.once("Mul", [log, build.array(f"{at}.slope", np.array(spec.slope, np.float32))], f"{at}.growth")
        factor = build.once("Add", [growth, one], f"{at}.factors")
        return build.once("Unsqueeze", [factor, build.constant("last_axis", [-1])], f"{at}.factor")


class Attention:
    """The attention of one layer, which reads `norm` and gives [batch, sequence, hidden_size].

    `past` and `present` are the inputs and outputs of the graph that carry its state from pass to pass, by name, and
    `shared` the inputs of the cascade. A layer that reads another's keys and values has none of them: what is present
    there is its past, to which it adds nothing.
    """

    def __init__(self, layer: int, spec: AttentionSpec, norm: Norm, rotary: RotaryTables | None) -> None:
        self._layer = layer
        self._spec = spec
        self._rotary = rotary
        self._epsilon = norm.epsilon
        hidden_size, head_size = norm.weight.size, spec.head_size
        sizes = {"query": spec.query_size * (1 + spec.gated)}
        if spec.reads_layer is None:
            sizes["key"] = spec.key_size
            if not spec.values_are_keys:
                sizes["value"] = spec.key_size
        self._read = tuple(
            Matrix(
                part,
                layer,
                size,
                hidden_size,
                norm=norm.weight,
                bias=Vector(f"{part}.bias", layer, size, head_size) if part in spec.biases else None,
                head_size=head_size,
            )
            for part, size in sizes.items()
        )
        part = "attention_output"
        bias = Vector(f"{part}.bias", layer, hidden_size) if part in spec.biases else None
        self._output = Matrix(part, layer, hidden_size, spec.query_size, bias=bias)
        self._head_norms = {
            part: Norm(
                Vector(f"{part}_norm", layer, head_size, head_size), norm.epsilon, f"layers.{layer}.{part}.heads"
            )
            for part in ("query", "key")
            if part in spec.head_norms
        }
        self._gate = f"layers.{layer}.query.gate"
        self.matrices = (*self._read, self._output)
        self.vectors: tuple[Vector, ...] = (Vector("sinks", layer, spec.heads),) if spec.sinks else ()
        self.norms = tuple(self._head_norms.values())
        self.past = self._keys_and_values(PAST_KEY, PAST_VALUE, "batch", spec.kv_heads, "past", head_size)
        self.present = self._keys_and_values(PRESENT_KEY, PRESENT_VALUE, "batch", spec.kv_heads, "total", head_size)
        self.shared = self._keys_and_values(SHARED_KEY, SHARED_VALUE, spec.kv_heads, "shared", head_size)
        piece = (1, spec.kv_heads, "piece", head_size)
        self.piece_past = self._keys_and_values(PIECE_KEY, PIECE_VALUE, *piece)
        self.piece_present = self._keys_and_values(PIECE_PRESENT_KEY, PIECE_PRESENT_VALUE, *piece)
        self._outputs = ("context", "key", "value") if self.present else ("context",)

    def _keys_and_values(self, key: str, value: str, *shape: int | str) -> dict[str, Shape]:
        return {} if self._spec.reads_layer is not None else {key % self._layer: shape, value % self._layer: shape}

    def _past(self, *, of_piece: bool = False) -> Iterable[str]:
        """Names of the keys and values that it reads besides those it makes."""
        if self._spec.reads_layer is None:
            return self.piece_past if of_piece else self.past
        names = (PIECE_PRESENT_KEY, PIECE_PRESENT_VALUE) if of_piece else (PRESENT_KEY, PRESENT_VALUE)
        return [name % self._spec.reads_layer for name in names]

    def context(self, build: GraphBuilder, products: Products, inputs: AttentionInputs, normed: str) -> str:
        """What the heads read, [batch, sequence, query_size]."""
        read = self._queries_keys_values(build, products, inputs, normed)
        outputs = [f"layers.{self._layer}.context", *self.present]
        if not inputs.pieces:
            context = self._rows(build, inputs, read, outputs)
        else:
            context = build.nodes_of(
                "If",
                ["is_piece"],
                [*outputs, *self.piece_present],
                then_branch=self._with_piece(build, inputs, read),
                else_branch=self._without_piece(build, inputs, read),
            )
        if not self._spec.gated:
            return context
        gate = build.reshape(self._gate, [0, 0, self._spec.query_size], f"{self._gate}.together")
        opening = build.node("Sigmoid", [gate], f"{gate}.opening")
        return build.node("Mul", [context, opening], f"{context}.gated")

    def _rows(self, build: GraphBuilder, inputs: AttentionInputs, read: Sequence[str], outputs: list[str]) -> str:
        """Attention of the sequences of the batch, whose `outputs` are context and present."""
        if not inputs.cascade:
            return self._group_query_attention(build, inputs, read, outputs)
        return build.nodes_of(
            "If",
            ["is_shared"],
            outputs,
            then_branch=self._with_shared_prefix(build, inputs, read),
            else_branch=self._alone(build, inputs, read),
        )

    def _without_piece(self, parent: GraphBuilder, inputs: AttentionInputs, read: Sequence[str]) -> GraphProto:
        build = GraphBuilder(parent)
        at = f"layers.{self._layer}.rows"
        outputs = [f"{at}.{part}" for part in self._outputs]
        self._rows(build, inputs, read, outputs)
        kept = [build.node("Identity", [name], f"{at}.{name}") for name in self.piece_past]
        return build.branch(at, [*outputs, *kept])

    def _with_piece(self, parent: GraphBuilder, inputs: AttentionInputs, read: Sequence[str]) -> GraphProto:
        """Queries, keys and values [1, piece and then rows, size] part here and come together again."""
        build = GraphBuilder(parent)
        at = f"layers.{self._layer}.both"
        axis, start, end = (
            build.constant("axis_1", [1]),
            build.constant("zero", [0]),
            build.constant("end", [np.iinfo(np.int64).max]),
        )
        piece = [build.node("Slice", [source, start, PIECE_LENGTH, axis], f"{at}.{source}.piece") for source in read]
        rows = [build.node("Slice", [source, PIECE_LENGTH, end, axis], f"{at}.{source}.rows") for source in read]
        rows = [build.node("Transpose", [source], f"{source}.apart", perm=[1, 0, 2]) for source in rows]
        of_piece = [f"{at}.piece.{part}" for part in self._outputs]
        of_rows = [f"{at}.rows.{part}" for part in self._outputs]
        past, lengths = self._past(of_piece=True), (inputs.piece_lengths, inputs.piece_longest)
        self._group_query_attention(build, inputs, piece, of_piece, past=past, lengths=lengths)
        self._rows(build, inputs, rows, of_rows)
        together = build.node("Transpose", [of_rows[0]], f"{at}.rows.together", perm=[1, 0, 2])
        context = build.node("Concat", [of_piece[0], together], f"{at}.context", axis=1)
        return build.branch(at, [context, *of_rows[1:], *of_piece[1:]])

    def _queries_keys_values(
        self, build: GraphBuilder, products: Products, inputs: AttentionInputs, normed: str
    ) -> list[str]:
        """Those that the layer has of its own, each [batch, sequence, its size], not turned yet."""
        spec = self._spec
        read = {matrix.part: products.multiply(build, matrix, normed, f"{matrix.name}.output") for matrix in self._read}
        if spec.values_are_keys and "key" in read:
            read["value"] = read["key"]
        if spec.gated:
            read["query"] = self._ungated(build, read["query"])
        read = {part: self._normed(build, part, source) for part, source in read.items()}
        if spec.temperature:
            factor = inputs.temperature(build, spec.temperature, normed)
            read["query"] = build.node("Mul", [read["query"], factor], f"layers.{self._layer}.query.tempered")
        return list(read.values())

    def _ungated(self, build: GraphBuilder, queries: str) -> str:
        """The queries alone, of heads that hold a query and a gate of its size each; the gates are kept."""
        heads = build.reshape(queries, [0, 0, -1, 2 * self._spec.head_size], f"{queries}.apart")
        names = [f"{queries}.ungated", self._gate]
        alone = build.nodes_of("Split", [heads], names, axis=-1, num_outputs=2)
        return build.reshape(alone, [0, 0, self._spec.query_size], f"{queries}.alone")

    def _normed(self, build: GraphBuilder, part: str, source: str) -> str:
        """Queries, keys or values with the norm of their heads, where they have one."""
        norm, name, size = self._head_norms.get(part), weight_name(part, self._layer), self._spec.head_size
        is_weightless = part == "value" and self._spec.normalises_values
        if norm is None and not is_weightless:
            return source
        heads = build.reshape(source, [0, 0, -1, size], f"{name}.apart")
        if norm is None:
            ones = build.array(f"ones_{size}", np.ones(size, np.float32))
            heads = normalised(build, heads, ones, self._epsilon, f"{name}.heads")
        else:
            heads = norm.apply(build, heads)
        width = self._spec.query_size if part == "query" else self._spec.key_size
        return build.reshape(heads, [0, 0, width], f"{name}.normed")

    def project(self, build: GraphBuilder, products: Products, context: str) -> str:
        """The product of what the heads read with the output matrix."""
        return products.multiply(build, self._output, context, f"layers.{self._layer}.attention_output.output")

    def _group_query_attention(
        self,
        build: GraphBuilder,
        inputs: AttentionInputs,
        read: Sequence[str],
        outputs: list[str],
        *more: str,
        past: Iterable[str] | None = None,
        lengths: tuple[str, str] | None = None,
        **attributes: int | float,
    ) -> str:
        """Of the batch's sequences, or of those with this past and these lengths."""
        spec = self._spec
        past, lengths = past or self._past(), lengths or (inputs.lengths, inputs.longest)
        if spec.reads_layer is not None:
            read = [*read, *2 * [self._nothing(build, read[0], f"{outputs[0]}.nothing")]]
        if spec.scale is not None:
            attributes["scale"] = spec.scale
        if spec.window is not None:
            attributes["local_window_size"] = spec.window
        if spec.softcap:
            attributes["softcap"] = spec.softcap
        if self.vectors:  # behind positions and a bias of scores
            more = ("", "", self.vectors[0].name)
        return build.nodes_of(
            "GroupQueryAttention",
            [*read, *past, *lengths, *(self._rotary or ("", "")), *more],
            outputs,
            MICROSOFT,
            num_heads=spec.heads,
            kv_num_heads=spec.kv_heads,
            do_rotary=int(self._rotary is not None),
            rotary_interleaved=0,
            **attributes,
        )

    def _nothing(self, build: GraphBuilder, query: str, output: str) -> str:
        """Keys or values of no token, [batch, 0, key_size]: GroupQueryAttention reads the past alone then."""
        size = self._spec.key_size
        start, end = build.constant("zeros_2", [0, 0]), build.constant(f"zero_and_{size}", [0, size])
        return build.node("Slice", [query, start, end, build.constant("axes_1_2", [1, 2])], output)

    def _alone(self, parent: GraphBuilder, inputs: AttentionInputs, read: Sequence[str]) -> GraphProto:
        build = GraphBuilder(parent)
        outputs = [f"layers.{self._layer}.alone.{part}" for part in ("context", "key", "value")]
        self._group_query_attention(build, inputs, read, outputs)
        return build.branch(f"layers.{self._layer}.alone", outputs)

    def _with_shared_prefix(self, parent: GraphBuilder, inputs: AttentionInputs, read: Sequence[str]) -> GraphProto:
        build = GraphBuilder(parent)
        at = f"layers.{self._layer}.shared"
        heads, size = self._spec.heads, self._spec.head_size
        keys, values, scores = f"{at}.present_key", f"{at}.present_value", f"{at}.row_scores"
        self._group_query_attention(
            build, inputs, read, [f"{at}.row", keys, values, scores], "positions", qk_output=_SCORES
        )
        row = build.reshape(f"{at}.row", [-1, heads, size], f"{at}.row_heads")
        scores = build.reshape(scores, [0, 0, -1], f"{at}.row_scores_3")
        # Behind a sequence's end no scores are written: what lies there may be no number at all.
        scores = build.node("Where", ["visible", scores, "masked"], f"{at}.row_visible")
        row_sum = self._log_sum(build, scores, build.node("Softmax", [scores], f"{at}.row_softmax", axis=-1))

        prefix, prefix_sum = self._over_prefix(build, read[0])
        ahead = build.node("Sub", [prefix_sum, row_sum], f"{at}.ahead")
        share = build.node("Sigmoid", [ahead], f"{at}.share")
        difference = build.node("Sub", [prefix, row], f"{at}.difference")
        part = build.node("Mul", [difference, share], f"{at}.part")
        both = build.node("Add", [row, part], f"{at}.both")
        context = build.reshape(both, [-1, 1, self._spec.query_size], f"{at}.context")
        return build.branch(at, [context, keys, values])

    def _over_prefix(self, build: GraphBuilder, query: str) -> tuple[str, str]:
        """What the heads read of the prefix, [batch, heads, head_size], and the logarithm of their sums."""
        at = f"layers.{self._layer}.prefix"
        heads, kv_heads, size = self._spec.heads, self._spec.kv_heads, self._spec.head_size
        if self._rotary and self._spec.rope:
            query = build.node(
                "RotaryEmbedding",
                [query, "positions", *self._rotary],
                f"{at}.turned",
                MICROSOFT,
                num_heads=heads,
                interleaved=0,
                rotary_embedding_dim=self._spec.rope.size,
            )
        query = build.reshape(query, [-1, kv_heads, heads // kv_heads, size], f"{at}.grouped")
        query = build.node("Transpose", [query], f"{at}.by_head", perm=[1, 0, 2, 3])
        query = build.reshape(query, [kv_heads, -1, size], f"{at}.queries")

        def by_row(source: str, width: int, name: str) -> str:  # [batch, heads, width]
            apart = build.reshape(source, [kv_heads, -1, heads // kv_heads, width], f"{name}.apart")
            moved = build.node("Transpose", [apart], f"{name}.by_row", perm=[1, 0, 2, 3])
            return build.reshape(moved, [-1, heads, width], f"{name}.rows")

        scale = size**-0.5 if self._spec.scale is None else self._spec.scale
        scores = build.node(
            "FusedMatMul", [query, SHARED_KEY % self._layer], f"{at}.scores", MICROSOFT, transB=1, alpha=scale
        )
        softmax = build.node("Softmax", [scores], f"{at}.softmax", axis=-1)
        read = build.node("MatMul", [softmax, SHARED_VALUE % self._layer], f"{at}.read")
        log_sum = self._log_sum(build, scores, softmax)
        return by_row(read, size, f"{at}.read"), by_row(log_sum, 1, f"{at}.log_sum")

    @staticmethod
    def _log_sum(build: GraphBuilder, scores: str, softmax: str) -> str:
        """log(sum(exp(scores))), as the largest score less the logarithm of the largest share: both are fast."""
        last = build.constant("last_axis", [-1])
        largest = build.node("ReduceMax", [scores, last], f"{scores}.largest", keepdims=1)
        share = build.node("ReduceMax", [softmax, last], f"{softmax}.largest", keepdims=1)
        return build.node("Sub", [largest, build.node("Log", [share], f"{softmax}.log")], f"{scores}.log_sum")


def _optional(build: GraphBuilder, inputs: Mapping[str, Shape]) -> None:
    """Inputs that a pass may do without: they have one token then, which nothing reads."""
    for name, shape in inputs.items():
        build.array(name, np.zeros([size if isinstance(size, int) else 1 for size in shape], np.float32))
