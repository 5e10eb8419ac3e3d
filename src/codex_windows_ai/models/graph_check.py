"""What an ONNX graph says of itself, held against its folder before any runtime loads it.

Reads names, shapes and places; weights in files of their own stay there.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from codex_windows_ai.errors import ModelFileError, UnsupportedModelError
from codex_windows_ai.models.contents import inner_file
from codex_windows_ai.models.folder import CONFIGURATION, ModelFolder
from codex_windows_ai.models.storage import require_memory

if TYPE_CHECKING:
    from onnx import GraphProto, ModelProto, NodeProto, TensorProto, ValueInfoProto

_COSINES = {"GroupQueryAttention": 7, "RotaryEmbedding": 2}
"""Which input of an operator has a row for every position."""


def check_graphs(folder: ModelFolder) -> None:
    """Checks the graphs of a model folder.

    Raises ModelFileError: a graph does not parse, has its weights outside of the folder, or has fewer positions or
    layers than the folder's configuration says. UnsupportedModelError: this machine's memory cannot hold it.
    """
    for file in dict.fromkeys((folder.model_file, folder.cpu_model_file)):
        model = _read(file)
        nodes = list(_nodes(model.graph.node))
        weights = _weight_files(model, nodes, file)
        _check_positions(model.graph, nodes, file, folder)
        sizes = file.stat().st_size + sum(weight.stat().st_size for weight in weights)
        require_memory(sizes, _token_bytes(model.graph, file, folder), str(folder.path), folder.context_length)


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
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                yield from _nodes(graph.node)


def _tensors(model: ModelProto, nodes: Iterable[NodeProto]) -> Iterator[TensorProto]:
    graphs = [model.graph]
    for node in (*nodes, *_nodes(node for function in model.functions for node in function.node)):
        for attribute in node.attribute:
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
            graphs += [attribute.g, *attribute.graphs]
    for graph in graphs:
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)


def _weight_files(model: ModelProto, nodes: list[NodeProto], file: Path) -> set[Path]:
    """The files with its weights, which lie beside the graph or below it."""
    places = (entry for tensor in _tensors(model, nodes) for entry in tensor.external_data if entry.key == "location")
    return {inner_file(file.parent, name, str(file)) for name in {entry.value for entry in places}}


def _check_positions(graph: GraphProto, nodes: list[NodeProto], file: Path, folder: ModelFolder) -> None:
    """A longer prompt would end in the middle of a pass."""
    read = {
        node.input[place]
        for node in nodes
        if (place := _COSINES.get(node.op_type)) is not None and place < len(node.input)
    }
    positions = [tensor.dims[0] for tensor in graph.initializer if tensor.name in read and len(tensor.dims) == 2]
    if positions and folder.context_length > max(positions):
        raise ModelFileError(
            f"{folder.path / CONFIGURATION}: `model.context_length` is {folder.context_length}, but {file.name} has "
            f"{max(positions)} positions.",
            hint=f"Set it to {max(positions)}, or export the model again.",
        )


def _token_bytes(graph: GraphProto, file: Path, folder: ModelFolder) -> int:
    """Bytes of the keys and values of one token."""
    inputs = {value.name: value for value in graph.input}
    patterns = (folder.past_key_names, folder.past_value_names)
    names = [pattern % layer for layer in range(folder.layers) for pattern in patterns]
    present = [inputs[name] for name in names if name in inputs]
    if not present or folder.layers > len(inputs) or folder.past_key_names % folder.layers in inputs:
        raise UnsupportedModelError(
            f"{folder.path / CONFIGURATION} says that there are {folder.layers} layers, whose keys and values are "
            f"`{folder.past_key_names}`; the inputs of {file.name} are others: {', '.join(sorted(inputs)[:4])}…",
            hint="Export the model again.",
        )
    return sum(_state_bytes(value, file) for value in present)


def _state_bytes(value: ValueInfoProto, file: Path) -> int:
    """Of one token, in an input [batch, heads, past, head size]."""
    from onnx import helper

    tensor = value.type.tensor_type
    sizes = [dimension.dim_value for dimension in tensor.shape.dim]
    if len(sizes) != 4 or sizes[1] < 1 or sizes[3] < 1:
        raise UnsupportedModelError(
            f"{file}: `{value.name}` must be [batch, heads, past, head size], with heads and head size as numbers."
        )
    return sizes[1] * sizes[3] * helper.tensor_dtype_to_np_dtype(tensor.elem_type).itemsize
