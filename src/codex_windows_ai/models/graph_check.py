"""What an ONNX graph says of itself, held against its folder and against what the engine drives, before it is loaded.

Reads names, shapes and places; weights in files of their own stay there.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codex_windows_ai.errors import ModelFileError, UnsupportedModelError
from codex_windows_ai.models.decoder_graph import (
    ATTENTION,
    KEY,
    LOGITS_TO_KEEP,
    NORMS,
    PAST_CONV,
    PAST_STATE,
    PRESENT_CONV,
    PRESENT_STATE,
    DecoderGraph,
    attribute,
    shape,
)
from codex_windows_ai.models.folder import CONFIGURATION, ModelFolder
from codex_windows_ai.models.storage import require_memory

if TYPE_CHECKING:
    from onnx import NodeProto, ValueInfoProto

_FOR_PROCESSORS = (
    "Take its folder for processors: `…-generic-cpu` in Foundry Local's catalogue, or build it with GenAI's model "
    "builder by `-e cpu -p int4` (or `fp32`)."
)
_ANOTHER = "Take a GGUF file of the model, or one whose layers are all attention, such as Qwen3, Llama 3 or Phi-4-mini."
_STATES = {PAST_CONV: (PRESENT_CONV, 3), PAST_STATE: (PRESENT_STATE, 4)}
"""Patterns of states that the engine carries from pass to pass: the pattern of what becomes of each, and its rank."""
_STRANGE_INPUTS = (
    (
        r"past\.\d+\.(conv|recurrent)|.*(conv|recurrent|ssm)_?state.*",
        "states of layers that are no attention",
        _ANOTHER,
    ),
    (
        r"inputs_embeds|.*_(features|embeds)|.*pixel_values.*",
        "embeddings, which another model makes of the tokens: it is one part of several",
        "Take its text decoder alone, which GenAI's model builder makes by `exclude_embeds=false`.",
    ),
    (r"block_table.*|cumulative_sequence_lengths|attention_metadata|logits_indices", "a paged cache", _FOR_PROCESSORS),
    (r"cache_indirection|beam_width", "a cache for several beams", _FOR_PROCESSORS),
    (r"(past|total|current)_seq\w*_len\w*", "lengths, as graphs for NPUs do", _FOR_PROCESSORS),
)
"""Inputs that the engine has nothing for, as patterns of their names: what they are, and what to do."""
_EXPERTS = {"relu", "gelu", "silu", "swiglu", "identity"}
"""What MoE and QMoE compute between their products on processors."""
_READERS = {ATTENTION, "Shape"}
"""What may read keys and values of the past."""
_PASS_TOKENS, _PASS_SEQUENCES = 256, 16
"""What a pass of the engine holds at most; the tokens are those of one prompt."""
_PASS_WIDTH = 32
"""Numbers that are held for each token and channel, in all buffers that live at once."""
_PASS_LEAST = 16 << 20
_SCORES = 512 << 20
"""Bytes of the scores of a pass, where they lie in memory: 256 tokens of gpt-oss behind 8,000, or 64 behind 32,000."""
_DRIVEN = {"input_ids", "attention_mask", "position_ids"}
_NEEDED = {"input_ids", "attention_mask"}


@dataclass(frozen=True, slots=True)
class ModelSizes:
    """What a model takes: bytes of its weights' files, and of a token's keys and values in its graph's own types."""

    weights: int
    token: int
    can_be_halved: bool
    """Its keys and values are float32."""
    scratch: int = 0
    """Bytes that a pass needs meanwhile, at most."""
    state: int = 0
    """Bytes that a sequence takes however long it is, where layers have states instead of keys and values."""
    mapped: int = 0
    """Of `weights` what is read where it lies in the files: nothing packs a copy of it."""
    pairs: int = 0
    """Tokens of a pass, times those they see, for which that holds; 0: any."""


def check_graphs(folder: ModelFolder) -> None:
    """Checks the graphs of a model folder.

    Raises ModelFileError: a graph does not parse, has its weights outside of the folder, or has fewer positions or
    layers than the folder's configuration says, or heads of another size. UnsupportedModelError: the engine cannot
    drive it, or this machine's memory cannot hold it.
    """
    for file in dict.fromkeys((folder.model_file, folder.cpu_model_file)):
        graph = DecoderGraph(file)
        _check_interface(graph, folder)
        layers = _layers(graph, folder)
        _check_attention(graph, layers)
        _check_layers(graph, layers, folder)
        _check_experts(graph)
        _check_positions(graph, folder)
        sizes = _sizes(graph, layers, folder)
        require_memory(sizes.weights + sizes.state, sizes.token, str(folder.path), folder.context_length)
        _check_heads(graph, layers, folder)


def read_sizes(folder: ModelFolder) -> ModelSizes:
    """What a model takes. Raises ModelFileError, UnsupportedModelError: as `check_graphs`."""
    graph = DecoderGraph(folder.model_file)
    return _sizes(graph, _layers(graph, folder), folder)


def past_bytes(folder: ModelFolder, past: int) -> int:
    """Bytes of keys, values and states that a step of one token reads behind `past` tokens, where processors run it.

    Raises as `read_sizes`.
    """
    graph = DecoderGraph(folder.cpu_model_file)
    total = _state_bytes(graph, folder)
    for names in _layers(graph, folder):
        windows = [attribute(node, "local_window_size") for node in graph.readers.get(names[0], [])]
        tokens = min([past, *(window for window in windows if window > 0)])
        total += tokens * sum(_token_bytes(graph.inputs[name], graph, folder) for name in names)
    return total


def _sizes(graph: DecoderGraph, layers: list[tuple[str, str]], folder: ModelFolder) -> ModelSizes:
    from onnx import TensorProto

    weights = graph.weight_files  # which must be within the folder
    past = [graph.inputs[name] for names in layers for name in names]
    return ModelSizes(
        weights=sum(file.stat().st_size for file in (graph.file, *weights)),
        token=sum(_token_bytes(value, graph, folder) for value in past),
        can_be_halved=all(value.type.tensor_type.elem_type == TensorProto.FLOAT for value in past),
        scratch=_scratch(graph, folder) + (_SCORES if graph.scored_heads else 0),
        state=_state_bytes(graph, folder),
        mapped=graph.mapped_bytes,
        pairs=_SCORES // (4 * graph.scored_heads) if graph.scored_heads else 0,
    )


def _scratch(graph: DecoderGraph, folder: ModelFolder) -> int:
    """Bytes: activations of float32, logits and a copy of them, and what the runtime itself holds on to."""
    answered = _PASS_SEQUENCES if LOGITS_TO_KEEP in graph.optional_inputs else _PASS_TOKENS
    numbers = _PASS_TOKENS * _PASS_WIDTH * folder.hidden_size + 2 * answered * folder.vocabulary_size
    return 4 * numbers + _PASS_LEAST


def _check_interface(graph: DecoderGraph, folder: ModelFolder) -> None:
    """Every input is one that the engine has something for, and the answer is `logits`."""
    names = (folder.past_key_names, folder.past_value_names, *_STATES)
    patterns = [re.escape(name).replace("%d", r"\d+") for name in names]
    past = re.compile("|".join(patterns))
    strange = [name for name in graph.inputs if name not in _DRIVEN and not past.fullmatch(name)]
    for pattern, what, hint in _STRANGE_INPUTS:
        if found := [name for name in strange if re.fullmatch(pattern, name)]:
            raise UnsupportedModelError(f"{graph.file} wants `{found[0]}`: {what}.", hint=hint)
    missing = sorted(_NEEDED - graph.inputs.keys())
    if strange or missing:
        raise UnsupportedModelError(
            f"{graph.file} {'wants' if strange else 'has no input'} `{(strange or missing)[0]}`; the engine drives "
            f"decoders with `input_ids`, `attention_mask`, perhaps `position_ids`, and `{folder.past_key_names}`.",
            hint=_FOR_PROCESSORS,
        )
    if "logits" not in graph.outputs:
        raise UnsupportedModelError(
            f"{graph.file} answers with {', '.join(f'`{name}`' for name in list(graph.outputs)[:2])}…, not with "
            "`logits`: its head was left out.",
            hint="Build it again without `exclude_lm_head`.",
        )
    if shape(graph.outputs["logits"])[1:2] == [1]:
        raise UnsupportedModelError(
            f"{graph.file} gives the logits of a prompt's last token only; what is guessed ahead is checked by others.",
            hint="Build it again without `prune_lm_head`.",
        )


def _layers(graph: DecoderGraph, folder: ModelFolder) -> list[tuple[str, str]]:
    """The inputs for keys and values, layer by layer."""
    patterns = (folder.past_key_names, folder.past_value_names)
    layers = [(patterns[0] % layer, patterns[1] % layer) for layer in range(folder.layers)]
    return [names for names in layers if set(names) <= graph.inputs.keys()]


def _states(graph: DecoderGraph, folder: ModelFolder) -> dict[str, list[int]]:
    """Inputs for states of layers that have no keys and values, with the sizes of one sequence's.

    Raises UnsupportedModelError: one is not float32 [batch, numbers…], or nothing is made of it.
    """
    from onnx import TensorProto

    found: dict[str, list[int]] = {}
    for pattern, (present, rank) in _STATES.items():
        for layer in range(folder.layers):
            name, output = pattern % layer, graph.outputs.get(present % layer)
            if name not in graph.inputs:
                continue
            value = graph.inputs[name]
            sizes = [size for size in shape(value)[1:] if isinstance(size, int) and size > 0]
            is_float = value.type.tensor_type.elem_type == TensorProto.FLOAT
            if len(sizes) != rank - 1 or not is_float or output is None or shape(output)[1:] != sizes:
                raise UnsupportedModelError(
                    f"{graph.file}: `{name}` is {shape(value)}, and must be float32 [batch, {rank - 1} numbers], with "
                    f"an output `{present % layer}` of the same sizes.",
                    hint="Convert the model again from its GGUF file.",
                )
            found[name] = sizes
    return found


def _state_bytes(graph: DecoderGraph, folder: ModelFolder) -> int:
    """Of one sequence; states are float32."""
    return sum(4 * math.prod(sizes) for sizes in _states(graph, folder).values())


def _check_layers(graph: DecoderGraph, layers: list[tuple[str, str]], folder: ModelFolder) -> None:
    """The graph has as many as the configuration says; those that read others' keys and values have attention, too."""
    states = _states(graph, folder)
    named = {name for names in layers for name in names} | states.keys()
    past = [name for name in graph.inputs if name not in _DRIVEN]
    attention = sum(node.op_type == ATTENTION for node in graph.nodes)
    recurrent = sum(any(pattern % layer in states for pattern in _STATES) for layer in range(folder.layers))
    if not layers or set(past) != named or folder.layers > attention + recurrent:
        raise UnsupportedModelError(
            f"{folder.path / CONFIGURATION} says that there are {folder.layers} layers, whose keys and values are "
            f"`{folder.past_key_names}`; the inputs of {graph.file} are others: {', '.join(past[:4])}…",
            hint="Export the model again.",
        )


def _check_attention(graph: DecoderGraph, layers: list[tuple[str, str]]) -> None:
    """Keys and values are written where they are read: only one operator can do that, in rows of several lengths."""
    for name in (name for names in layers for name in names):
        if strange := [node.op_type for node in graph.readers.get(name, []) if node.op_type not in _READERS]:
            raise UnsupportedModelError(
                f"{graph.file} reads `{name}` by `{strange[0]}`, which leaves keys and values elsewhere than they "
                f"were; the engine drives `{ATTENTION}`.",
                hint="GenAI's model builder makes other attention for float16 on processors. " + _FOR_PROCESSORS,
            )
    attention = [node for node in graph.nodes if node.op_type == ATTENTION]
    if any(place < len(node.input) and node.input[place] for node in attention for place in NORMS):
        raise UnsupportedModelError(
            f"{graph.file} was made for GPUs: its attention norms queries and keys itself, which processors do not do.",
            hint=_FOR_PROCESSORS,
        )
    if shifted := [node.op_type for node in graph.readers.get("position_ids", []) if "Rotary" not in node.op_type]:
        raise UnsupportedModelError(
            f"{graph.file} changes positions by `{shifted[0]}`: those of all sequences, by the longest of them.",
            hint=_FOR_PROCESSORS,
        )


def _check_experts(graph: DecoderGraph) -> None:
    """Processors compute the functions that are known here only."""
    experts = (entry.s.decode() for node in graph.nodes for entry in node.attribute if entry.name == "activation_type")
    if strange := [name for name in experts if name not in _EXPERTS]:
        raise UnsupportedModelError(
            f"{graph.file} has experts with `{strange[0]}`, which ONNX Runtime has no code for on processors.",
            hint="Take a dense model of the same family.",
        )


def _check_heads(graph: DecoderGraph, layers: list[tuple[str, str]], folder: ModelFolder) -> None:
    """The attention of each layer has the heads that its past has, as far as the graph says how wide it is."""
    for key, _ in layers:
        heads, head_size = _heads(graph.inputs[key], graph, folder)
        for node in graph.readers.get(key, []):
            kept = attribute(node, "kv_num_heads")
            if kept != heads:
                raise _wrong_heads(graph, folder, node, "num_key_value_heads", heads, kept)
            parts = attribute(node, "num_heads") + (0 if node.input[KEY] else 2 * kept)
            width = graph.width(node.input[0])
            numbers = 2 if attribute(node, "kv_cache_bit_width") == 4 else 1
            if width is not None and parts and width != parts * head_size * numbers:
                raise _wrong_heads(graph, folder, node, "head_size", head_size * numbers, width / parts)


def _wrong_heads(
    graph: DecoderGraph, folder: ModelFolder, node: NodeProto, key: str, said: int, found: float
) -> ModelFileError:
    return ModelFileError(
        f"{graph.file.name} or {folder.path / CONFIGURATION} says that `model.decoder.{key}` is {said}, but the "
        f"attention `{node.name}` has {found:g}.",
        hint=f"Set it to {found:g} in {CONFIGURATION}, or export the model again.",
    )


def _check_positions(graph: DecoderGraph, folder: ModelFolder) -> None:
    """A longer prompt would end in the middle of a pass."""
    positions = graph.rotation_rows[-1:]
    if positions and folder.context_length > positions[0]:
        raise ModelFileError(
            f"{folder.path / CONFIGURATION}: `model.context_length` is {folder.context_length}, but {graph.file.name} "
            f"has {positions[0]} positions.",
            hint=f"Set it to {positions[0]}, or export the model again.",
        )


def _heads(value: ValueInfoProto, graph: DecoderGraph, folder: ModelFolder) -> tuple[int, int]:
    """Heads and head size of keys or values [batch, heads, past, head size]."""
    sizes = shape(value)
    if len(sizes) != 4 or (found := folder.kv_heads_and_size(sizes[1], sizes[3])) is None:
        raise UnsupportedModelError(
            f"{graph.file}: `{value.name}` is {sizes}, and must be [batch, heads, past, head size], with heads and "
            f"head size as numbers, here or in {CONFIGURATION} (`model.decoder.num_key_value_heads`, `head_size`)."
        )
    return found


def _token_bytes(value: ValueInfoProto, graph: DecoderGraph, folder: ModelFolder) -> int:
    """Of one token."""
    from onnx import TensorProto, helper

    kind = value.type.tensor_type.elem_type
    if kind not in (TensorProto.FLOAT, TensorProto.FLOAT16, TensorProto.INT8, TensorProto.UINT8):
        raise UnsupportedModelError(
            f"{graph.file} keeps `{value.name}` as {TensorProto.DataType.Name(kind).lower()}; supported: float, "
            "float16, int8, and 4 bits in uint8.",
            hint=_FOR_PROCESSORS,
        )
    heads, head_size = _heads(value, graph, folder)
    return heads * head_size * helper.tensor_dtype_to_np_dtype(kind).itemsize
