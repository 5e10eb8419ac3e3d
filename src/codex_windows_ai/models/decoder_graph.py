"""A decoder's ONNX graph, read without its weights: what goes in and out, and how its attention is made.

Operators: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from codex_windows_ai.errors import ModelFileError
from codex_windows_ai.models.contents import inner_file

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

ATTENTION = "GroupQueryAttention"
KEY, PAST_KEY, PAST_VALUE = 1, 3, 4
"""Which input of ATTENTION is which: the keys (none where the query is packed with them), and the past."""
NORMS = (14, 15)
"""Inputs of ATTENTION: weights of the norms of queries and keys, which it has on some devices only."""
SINKS = 11
"""Input of ATTENTION: for each head a score that nothing is read of."""
EVICTS = "sliding_window_cache"
"""ATTENTION's attribute: past and present are as long as the window, and forget what lies before it."""

# Optional inputs of our own converter's graphs, and what they bring; `convert/graph.py` says what they are. Patterns
# have one `%d` for the layer.
LOGITS_TO_KEEP = "logits_to_keep"
SHARED_LENGTH, SHARED_KEY, SHARED_VALUE = "shared_length", "shared.%d.key", "shared.%d.value"
PIECE_LENGTH, PIECE_PAST = "piece_length", "piece_past"
PIECE_KEY, PIECE_VALUE = "piece.%d.key", "piece.%d.value"
PIECE_PRESENT_KEY, PIECE_PRESENT_VALUE = "piece_present.%d.key", "piece_present.%d.value"

# States of layers without keys and values, in our own converter's graphs; patterns like those above. A convolution's
# are the last inputs before it, oldest first, float32 [batch, kernel - 1, channels]; the delta rule's are float32
# [batch, heads, key head size, value head size].
PAST_CONV, PRESENT_CONV = "past_conv.%d", "present_conv.%d"
PAST_STATE, PRESENT_STATE = "past_state.%d", "present_state.%d"

_EXPERTS = {"MoE", "QMoE"}
_COSINES = {ATTENTION: 7, "RotaryEmbedding": 2, "MRotaryEmbedding": 2}
"""Which input of an operator has a row for every position."""


class DecoderGraph:
    """Reads `file`. Raises ModelFileError: it does not parse."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.model = _read(file)
        self.nodes = list(_nodes(self.model.graph.node))
        graph = self.model.graph
        optional = {tensor.name for tensor in graph.initializer}
        self.inputs: dict[str, ValueInfoProto] = {
            value.name: value for value in graph.input if value.name not in optional
        }
        self.optional_inputs = {value.name for value in graph.input} - self.inputs.keys()
        self.outputs: dict[str, ValueInfoProto] = {value.name: value for value in graph.output}

    @cached_property
    def weight_files(self) -> set[Path]:
        """The files with its weights, which lie beside the graph or below it. Raises ModelFileError: elsewhere."""
        tensors = _tensors(self.model, self.nodes)
        places = {entry.value for tensor in tensors for entry in tensor.external_data if entry.key == "location"}
        return {inner_file(self.file.parent, name, str(self.file)) for name in places}

    @cached_property
    def readers(self) -> dict[str, list[NodeProto]]:
        """The nodes that read a value, by its name."""
        readers: dict[str, list[NodeProto]] = {}
        for node in self.nodes:
            for name in dict.fromkeys(node.input):
                readers.setdefault(name, []).append(node)
        return readers

    @cached_property
    def step_bytes(self) -> int:
        """Bytes of its weights that a step of one token reads, once each; as they lie in the file.

        Of an embedding that is a row, which is not counted; of experts those that a token is sent to.
        """
        regions: dict[tuple[str, str], float] = {}
        for name, tensor in self._initializers.items():
            nodes = [node for node in self.readers.get(name, []) if not node.op_type.startswith("Gather")]
            if nodes:
                place = {entry.key: entry.value for entry in tensor.external_data}
                length = _length(tensor)
                region = (place["location"], place.get("offset", "0")) if place else ("", name)
                share = max(self._used_share(node, tensor) for node in nodes)
                regions[region] = max(regions.get(region, 0), length * share)
        return round(sum(regions.values()))

    @cached_property
    def has_experts(self) -> bool:
        """Whether a layer sends each token to a few of its MLPs."""
        return any(node.op_type in _EXPERTS for node in self.nodes)

    @cached_property
    def evicting(self) -> list[NodeProto]:
        """The attention that forgets what lies before its window."""
        return [node for node in self.nodes if node.op_type == ATTENTION and attribute(node, EVICTS)]

    @cached_property
    def mapped_bytes(self) -> int:
        """Bytes of its weights that kernels read where they lie in the mapped files: experts in MXFP4.

        Of all others processors make copies in an order of their own.
        """
        experts = [node for node in self.nodes if node.op_type == "QMoE" and _text(node, "quant_type") == "fp4"]
        read = {name for node in experts for name in node.input} & self._initializers.keys()
        return sum(_length(self._initializers[name]) for name in read)

    @cached_property
    def scored_heads(self) -> int:
        """Heads whose scores of all a pass's tokens with all before them lie in memory at once; of one layer, at most.

        ONNX Runtime's processors go through them block by block, but not with sinks, nor with scores that are capped.
        """
        return max(
            (
                attribute(node, "num_heads")
                for node in self.nodes
                if node.op_type == ATTENTION and (len(node.input) > SINKS or _has(node, "softcap"))
            ),
            default=0,
        )

    @cached_property
    def rotation_rows(self) -> list[int]:
        """Rows of the tables that positions are looked up in, ascending; of tables to choose from, all.

        Graphs of our own converter compute their tables, and say for how many positions.
        """
        from onnx import numpy_helper

        from codex_windows_ai.models.blocks.rope import POSITIONS

        if said := self._initializers.get(POSITIONS):
            return [int(numpy_helper.to_array(said))]
        return sorted({rows for name in self._tables for rows in self._rows(name)})

    @cached_property
    def rotation_switch(self) -> int | None:
        """Tokens of the longest sequence beyond which a whole pass is rotated otherwise; None: it never is.

        Raises ModelFileError: the graph chooses between tables of rotation in another way.
        """
        choices = [node for name in self._tables if (node := self._makers.get(name)) and node.op_type == "If"]
        limits = {self._limit(self._makers.get(node.input[0])) for node in choices}
        if None in limits or len(limits) > 1:
            raise ModelFileError(
                f"{self.file.name} chooses between tables of rotation by something else than the number of tokens.",
                hint="Export the model again.",
            )
        return next(iter(limits), None)

    def width(self, name: str) -> int | None:
        """Columns of a value [batch, sequence, columns], where the graph says them: as its shape, or by the weights
        that it is a product of.
        """
        sizes = shape(self._noted[name]) if name in self._noted else []
        if sizes and isinstance(sizes[-1], int):
            return sizes[-1]
        node = self._makers.get(name)
        if node is None:
            return None
        if node.op_type == "MatMulNBits":
            return attribute(node, "N") or None
        if node.op_type in {"MatMul", "Add"}:
            weights = (self._initializers.get(source) for source in node.input)
            return next((tensor.dims[-1] for tensor in weights if tensor is not None and tensor.dims), None)
        return None

    @cached_property
    def _tables(self) -> set[str]:
        places = ((node, _COSINES[node.op_type]) for node in self.nodes if node.op_type in _COSINES)
        return {node.input[place] for node, place in places if place < len(node.input)}

    @cached_property
    def _noted(self) -> dict[str, ValueInfoProto]:
        return {value.name: value for value in self.model.graph.value_info}

    @cached_property
    def _initializers(self) -> dict[str, TensorProto]:
        return {tensor.name: tensor for tensor in self.model.graph.initializer}

    @cached_property
    def _makers(self) -> dict[str, NodeProto]:
        return {name: node for node in self.nodes for name in node.output}

    def _used_share(self, node: NodeProto, tensor: TensorProto) -> float:
        """The share of a tensor that a token needs of it: of experts, which are its first axis, as many as it has."""
        if node.op_type not in _EXPERTS or len(tensor.dims) < 2:
            return 1.0
        return min(1.0, self._routes(node) * (attribute(node, "k") or 1) / tensor.dims[0])

    def _routes(self, node: NodeProto) -> int:
        """Rows of a mixture of experts that a token has, where the graph itself chooses the experts, as ours does."""
        from onnx import numpy_helper

        told = self._makers.get(node.input[1])
        while told is not None and told.op_type in {"OneHot", "Reshape"}:
            told = self._makers.get(told.input[0])
        if told is None or told.op_type != "TopK" or told.input[1] not in self._initializers:
            return 1
        return int(numpy_helper.to_array(self._initializers[told.input[1]]).item())

    def _rows(self, name: str) -> list[int]:
        if tensor := self._initializers.get(name):
            return [tensor.dims[0]] if len(tensor.dims) == 2 else []
        node = self._makers.get(name)
        if node is None or node.op_type != "If":
            return [tensor.dims[0] for tensor in _constants(node) if len(tensor.dims) == 2]
        place = list(node.output).index(name)
        rows: list[int] = []
        for branch in (entry.g for entry in node.attribute):
            rows += [tensor.dims[0] for tensor in branch.initializer if tensor.name == branch.output[place].name]
            rows += self._rows(branch.output[place].name)
        return rows

    def _limit(self, condition: NodeProto | None) -> int | None:
        """The number that a value is compared with."""
        if condition is None or condition.op_type not in {"Greater", "GreaterOrEqual"}:
            return None
        tensors = [self._initializers.get(condition.input[1]), *_constants(self._makers.get(condition.input[1]))]
        from onnx import numpy_helper

        numbers = [int(numpy_helper.to_array(tensor).reshape(-1)[0]) for tensor in tensors if tensor is not None]
        return None if len(numbers) != 1 else numbers[0] - (condition.op_type == "GreaterOrEqual")


def shape(value: ValueInfoProto) -> list[int | str]:
    """Sizes of an input or output; a name stands for what a pass chooses, or for what nobody says."""
    return [
        size.dim_value if size.HasField("dim_value") else size.dim_param for size in value.type.tensor_type.shape.dim
    ]


def attribute(node: NodeProto, name: str) -> int:
    """An attribute that is a number, 0 where the node has none."""
    return next((entry.i for entry in node.attribute if entry.name == name), 0)


def _length(tensor: TensorProto) -> int:
    """Bytes of a tensor."""
    said = [entry.value for entry in tensor.external_data if entry.key == "length"]
    return int(said[0]) if said else len(tensor.raw_data)


def _text(node: NodeProto, name: str) -> str:
    """An attribute that is a text, empty where the node has none."""
    return next((entry.s.decode() for entry in node.attribute if entry.name == name), "")


def _has(node: NodeProto, name: str) -> bool:
    """Whether a node has an attribute that is a number other than 0."""
    return any(entry.f for entry in node.attribute if entry.name == name)


def _read(file: Path) -> ModelProto:
    from google.protobuf.message import DecodeError
    from onnx import ModelProto

    try:
        return ModelProto.FromString(file.read_bytes())
    except DecodeError as error:
        raise ModelFileError(
            f"{file} is not a sound ONNX model: {error}", hint="Fetch or convert the model again."
        ) from error


def _nodes(nodes: Iterable[NodeProto]) -> Iterator[NodeProto]:
    """These nodes, and those of the branches in them."""
    for node in nodes:
        yield node
        for entry in node.attribute:
            for graph in (entry.g, *entry.graphs):
                yield from _nodes(graph.node)


def _constants(node: NodeProto | None) -> list[TensorProto]:
    return [] if node is None or node.op_type != "Constant" else [entry.t for entry in node.attribute]


def _tensors(model: ModelProto, nodes: Iterable[NodeProto]) -> Iterator[TensorProto]:
    graphs: list[GraphProto] = [model.graph]
    for node in (*nodes, *_nodes(node for function in model.functions for node in function.node)):
        for entry in node.attribute:
            yield from (entry.t, *entry.tensors)
            for sparse in (entry.sparse_tensor, *entry.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            graphs += [entry.g, *entry.graphs]
    for graph in graphs:
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
