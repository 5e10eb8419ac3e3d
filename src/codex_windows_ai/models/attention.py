"""Attention in the graph: GroupQueryAttention, and for processors also its cascade over a prefix all rows share.

A decode pass reads every row's keys and values, and agents of one kind begin with the same thousand
tokens. Where the engine says so, that prefix is read once, for all rows together, as two plain matrix
products; GroupQueryAttention does what follows it in each row; and the two parts are weighed by the sums
under their softmaxes, which makes them what one softmax over everything gives. The method is that of
Hydragen (arXiv 2402.05099) and cascade inference (FlashInfer, arXiv 2501.01005).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto

from codex_windows_ai.models.graph_builder import MICROSOFT, GraphBuilder

if TYPE_CHECKING:
    from onnx import GraphProto

    from codex_windows_ai.models.architecture import Architecture

ATTENTION_MASK = "attention_mask"
PAST_KEY, PAST_VALUE = "past_key_values.%d.key", "past_key_values.%d.value"
PRESENT_KEY, PRESENT_VALUE = "present.%d.key", "present.%d.value"
SHARED_LENGTH, SHARED_KEY, SHARED_VALUE = "shared_length", "shared.%d.key", "shared.%d.value"

_SCORES = 1  # GroupQueryAttention's qk_output: the scores before their softmax
_MASKED = -1e9


class Attention:
    """The attention of all layers, with what they have in common."""

    def __init__(self, build: GraphBuilder, architecture: Architecture, *, cascade: bool) -> None:
        self._build = build
        self._architecture = architecture
        self._cascade = cascade
        self._lengths, self._longest = self._sequence_lengths()
        if cascade:
            self._prepare_cascade()

    def context(self, layer: int, packed: str) -> str:
        """What the heads read, [batch, sequence, query_size], from `packed` queries, keys and values."""
        outputs = [f"layers.{layer}.context", PRESENT_KEY % layer, PRESENT_VALUE % layer]
        if not self._cascade:
            return self._group_query_attention(self._build, layer, packed, outputs)
        return self._build.nodes_of(
            "If",
            ["is_shared"],
            outputs,
            then_branch=self._with_shared_prefix(layer, packed),
            else_branch=self._alone(layer, packed),
        )

    def _sequence_lengths(self) -> tuple[str, str]:
        """GroupQueryAttention's seqlens_k (tokens of a row, less one) and total_sequence_length, both int32."""
        build = self._build
        ones = build.node("ReduceSum", [ATTENTION_MASK, build.constant("axis_1", [1])], "lengths", keepdims=0)
        less_one = build.node("Sub", [ones, build.constant("one", [1])], "lengths_less_one")
        lengths = build.node("Cast", [less_one], "lengths_int32", to=TensorProto.INT32)
        width = build.node("Shape", [ATTENTION_MASK], "longest_int64", start=1, end=2)
        return lengths, build.node("Cast", [width], "longest", to=TensorProto.INT32)

    def _prepare_cascade(self) -> None:
        """The optional inputs, and what every layer needs of them.

        `positions` [batch, 1] is where each row's one new token stands; `visible` [batch, 1, total] is true up
        to each row's end.
        """
        build, architecture = self._build, self._architecture
        build.constant(SHARED_LENGTH, [0])
        nothing = np.zeros((architecture.kv_heads, 1, architecture.head_size), np.float32)
        for layer in range(architecture.layers):
            build.array(SHARED_KEY % layer, nothing)
            build.array(SHARED_VALUE % layer, nothing)
        is_shared = build.node("Greater", [SHARED_LENGTH, build.constant("zero", [0])], "is_shared_1")
        build.reshape(is_shared, [], "is_shared")
        ends = build.node("Unsqueeze", ["lengths_less_one", build.constant("axis_1", [1])], "row_positions")
        build.node("Add", [ends, SHARED_LENGTH], "positions")
        seen = build.node("Cast", [ATTENTION_MASK], "seen", to=TensorProto.BOOL)
        build.node("Unsqueeze", [seen, "axis_1"], "visible")
        build.array("masked", np.array(_MASKED, np.float32))

    def _group_query_attention(
        self, build: GraphBuilder, layer: int, packed: str, outputs: list[str], *more: str, **attributes: int
    ) -> str:
        past = [PAST_KEY % layer, PAST_VALUE % layer]
        return build.nodes_of(
            "GroupQueryAttention",
            [packed, "", "", *past, self._lengths, self._longest, "cosines", "sines", *more],
            outputs,
            MICROSOFT,
            num_heads=self._architecture.heads,
            kv_num_heads=self._architecture.kv_heads,
            do_rotary=1,
            rotary_interleaved=0,
            **attributes,
        )

    def _alone(self, layer: int, packed: str) -> GraphProto:
        build = GraphBuilder(self._build)
        outputs = [f"layers.{layer}.alone.{part}" for part in ("context", "key", "value")]
        self._group_query_attention(build, layer, packed, outputs)
        return build.branch(f"layers.{layer}.alone", outputs)

    def _with_shared_prefix(self, layer: int, packed: str) -> GraphProto:
        build = GraphBuilder(self._build)
        architecture, at = self._architecture, f"layers.{layer}.shared"
        heads, size = architecture.heads, architecture.head_size
        keys, values, scores = f"{at}.present_key", f"{at}.present_value", f"{at}.row_scores"
        self._group_query_attention(
            build, layer, packed, [f"{at}.row", keys, values, scores], "positions", qk_output=_SCORES
        )
        row = build.reshape(f"{at}.row", [-1, heads, size], f"{at}.row_heads")
        scores = build.reshape(scores, [0, 0, -1], f"{at}.row_scores_3")
        # Behind a row's end nobody wrote scores: what lies there may be no number at all.
        scores = build.node("Where", ["visible", scores, "masked"], f"{at}.row_visible")
        row_sum = self._log_sum(build, scores, build.node("Softmax", [scores], f"{at}.row_softmax", axis=-1))

        prefix, prefix_sum = self._over_prefix(build, layer, packed)
        ahead = build.node("Sub", [prefix_sum, row_sum], f"{at}.ahead")
        share = build.node("Sigmoid", [ahead], f"{at}.share")
        difference = build.node("Sub", [prefix, row], f"{at}.difference")
        part = build.node("Mul", [difference, share], f"{at}.part")
        both = build.node("Add", [row, part], f"{at}.both")
        context = build.reshape(both, [-1, 1, architecture.query_size], f"{at}.context")
        return build.branch(at, [context, keys, values])

    def _over_prefix(self, build: GraphBuilder, layer: int, packed: str) -> tuple[str, str]:
        """What the heads read of the prefix, [batch, heads, head_size], and the logarithm of their sums."""
        architecture, at = self._architecture, f"layers.{layer}.prefix"
        heads, kv_heads, size = architecture.heads, architecture.kv_heads, architecture.head_size
        bounds = [build.constant("zero", [0]), build.constant("query_end", [architecture.query_size])]
        query = build.node("Slice", [packed, *bounds, build.constant("axis_2", [2])], f"{at}.query")
        query = build.node(
            "RotaryEmbedding",
            [query, "positions", "cosines", "sines"],
            f"{at}.turned",
            MICROSOFT,
            num_heads=heads,
            interleaved=0,
        )

        query = build.reshape(query, [-1, kv_heads, heads // kv_heads, size], f"{at}.grouped")
        query = build.node("Transpose", [query], f"{at}.by_head", perm=[1, 0, 2, 3])
        query = build.reshape(query, [kv_heads, -1, size], f"{at}.queries")

        def by_row(source: str, width: int, name: str) -> str:  # [batch, heads, width]
            apart = build.reshape(source, [kv_heads, -1, heads // kv_heads, width], f"{name}.apart")
            moved = build.node("Transpose", [apart], f"{name}.by_row", perm=[1, 0, 2, 3])
            return build.reshape(moved, [-1, heads, width], f"{name}.rows")

        scores = build.node(
            "FusedMatMul", [query, SHARED_KEY % layer], f"{at}.scores", MICROSOFT, transB=1, alpha=size**-0.5
        )
        softmax = build.node("Softmax", [scores], f"{at}.softmax", axis=-1)
        read = build.node("MatMul", [softmax, SHARED_VALUE % layer], f"{at}.read")
        log_sum = self._log_sum(build, scores, softmax)
        return by_row(read, size, f"{at}.read"), by_row(log_sum, 1, f"{at}.log_sum")

    @staticmethod
    def _log_sum(build: GraphBuilder, scores: str, softmax: str) -> str:
        """log(sum(exp(scores))), as the largest score less the logarithm of the largest share: both are fast."""
        last = build.constant("last_axis", [-1])
        largest = build.node("ReduceMax", [scores, last], f"{scores}.largest", keepdims=1)
        share = build.node("ReduceMax", [softmax, last], f"{softmax}.largest", keepdims=1)
        return build.node("Sub", [largest, build.node("Log", [share], f"{softmax}.log")], f"{scores}.log_sum")
