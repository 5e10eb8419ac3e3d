"""Converts a GGUF file of the Llama family into a folder in the ONNX Runtime GenAI format.

Weights become 8 bit (`quantization`), one slice of a tensor in memory at a time; no PyTorch.
"""

from __future__ import annotations

import importlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from codex_windows_ai.errors import ModelFileError
from codex_windows_ai.models import folder, graph
from codex_windows_ai.models.architecture import Architecture, read_architecture, rotary_caches
from codex_windows_ai.models.external_data import ALIGNMENT, ExternalDataWriter
from codex_windows_ai.models.gguf_file import GgufFile, GgufTensor
from codex_windows_ai.models.quantization import BLOCK_SIZE, quantize_rows
from codex_windows_ai.models.storage import require_space
from codex_windows_ai.models.tokenizer import Tokenizer, read_tokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from codex_windows_ai.models.progress import Progress

MODEL = "model.onnx"
WEIGHTS = "model.onnx.data"

_SLICE_ELEMENTS = 2_000_000  # dequantised at a time: some tens of megabytes with all temporaries
_SMALL_FILES = 32_000_000  # generous room for the tokenizer and the graph


@dataclass(frozen=True, slots=True)
class _Matrix:
    """A weight matrix of the graph: GGUF matrices stacked by rows."""

    name: str
    parts: tuple[GgufTensor, ...]

    @property
    def rows(self) -> int:
        return sum(part.rows for part in self.parts)

    @property
    def columns(self) -> int:
        return self.parts[0].columns


def convert(source: Path, target: Path, progress: Progress) -> None:
    """Writes the model of the GGUF file `source` into the empty folder `target`.

    `progress` counts tensors. Raises ModelNotFoundError or ModelFileError: no or no sound GGUF file.
    UnsupportedModelError: a model we cannot build. StorageError: not enough room on the disk.
    """
    with GgufFile(source) as file:
        architecture = read_architecture(file)
        tokenizer = read_tokenizer(file)
        matrices = _matrices(file, architecture)
        require_space(target, _estimate(architecture, matrices), f"The conversion of {source.name}")
        writer = ExternalDataWriter(target / WEIGHTS)
        try:
            _write_vectors(file, architecture, writer)
            for done, matrix in enumerate(matrices):
                progress("convert", done, len(matrices))
                _write_matrix(file, architecture, matrix, writer)
        finally:
            writer.close()
    _alias_embedding(architecture, writer)
    model = graph.build_model(graph.GraphSpec(architecture), writer.tensors)
    (target / MODEL).write_bytes(model.SerializeToString())
    _write_configuration(target, architecture, tokenizer)
    _prove(target, architecture)
    progress("convert", len(matrices), len(matrices))


def _matrices(file: GgufFile, architecture: Architecture) -> list[_Matrix]:
    """All weight matrices, checked for presence and shape before anything is written."""
    hidden, width = architecture.hidden_size, architecture.feed_forward_size
    query, key, vocabulary = architecture.query_size, architecture.key_size, architecture.vocabulary_size

    def matrix(name: str, *parts: tuple[str, int, int]) -> _Matrix:
        return _Matrix(name, tuple(file.tensor(f"{part}.weight", rows, columns) for part, rows, columns in parts))

    found = [matrix("embedding", ("token_embd", vocabulary, hidden))]
    if not architecture.tied_embeddings:
        found.append(matrix("output", ("output", vocabulary, hidden)))
    for layer in range(architecture.layers):
        block = f"blk.{layer}"
        found += [
            matrix(
                graph.layer_weight(layer, "query_key_value"),
                (f"{block}.attn_q", query, hidden),
                (f"{block}.attn_k", key, hidden),
                (f"{block}.attn_v", key, hidden),
            ),
            matrix(graph.layer_weight(layer, "attention_output"), (f"{block}.attn_output", hidden, query)),
            matrix(
                graph.layer_weight(layer, "gate_up"),
                (f"{block}.ffn_gate", width, hidden),
                (f"{block}.ffn_up", width, hidden),
            ),
            matrix(graph.layer_weight(layer, "down"), (f"{block}.ffn_down", hidden, width)),
        ]
    return found


def _estimate(architecture: Architecture, matrices: Sequence[_Matrix]) -> int:
    """Bytes that the folder will take, rounded up."""
    block_bytes = BLOCK_SIZE + 4 + 1  # codes, float32 scale, zero point
    weights = sum(matrix.rows * matrix.columns // BLOCK_SIZE * block_bytes + 3 * ALIGNMENT for matrix in matrices)
    caches = architecture.context_length * architecture.head_size * 4
    return weights + caches + _SMALL_FILES


def _write_vectors(file: GgufFile, architecture: Architecture, writer: ExternalDataWriter) -> None:
    """Norms, biases and the rotary caches, all float32."""
    hidden = architecture.hidden_size
    for name, values in zip(("cosines", "sines"), rotary_caches(file, architecture), strict=True):
        writer.add(name, values)
    writer.add("final_norm", file.read_rows(file.tensor("output_norm.weight", hidden))[0])
    for layer in range(architecture.layers):
        for name, part in (("attention_norm", "attn_norm"), ("feed_forward_norm", "ffn_norm")):
            values = file.read_rows(file.tensor(f"blk.{layer}.{part}.weight", hidden))[0]
            writer.add(graph.layer_weight(layer, name), values)
        if architecture.attention_bias:
            writer.add(graph.layer_weight(layer, "query_key_value.bias"), _bias(file, architecture, layer))


def _bias(file: GgufFile, architecture: Architecture, layer: int) -> NDArray[np.float32]:
    parts: list[NDArray[np.float32]] = []
    for part, size in (("q", architecture.query_size), ("k", architecture.key_size), ("v", architecture.key_size)):
        tensor = file.tensor(f"blk.{layer}.attn_{part}.bias", size)
        parts.append(file.read_rows(tensor)[0][_row_order(architecture, tensor.name, size)])
    return np.concatenate(parts)


def _row_order(architecture: Architecture, name: str, rows: int) -> NDArray[np.int64]:
    """Which stored row belongs where.

    llama.cpp's `llama` files interleave the two halves of each query and key head, for a rotation
    of neighbouring elements; the graph rotates halves, as the models were trained to.
    """
    order = np.arange(rows, dtype=np.int64)
    if architecture.interleaved_rope and (".attn_q." in name or ".attn_k." in name):
        order = order.reshape(-1, architecture.head_size // 2, 2).swapaxes(1, 2).reshape(-1)
    return order


def _write_matrix(file: GgufFile, architecture: Architecture, matrix: _Matrix, writer: ExternalDataWriter) -> None:
    """Quantises a matrix slice by slice; scales and zero points follow the codes, which stream."""
    blocks = matrix.columns // BLOCK_SIZE
    scales: list[NDArray[np.float32]] = []
    zero_points: list[NDArray[np.uint8]] = []
    writer.begin(f"{matrix.name}.codes", np.dtype(np.uint8), (matrix.rows, blocks, BLOCK_SIZE))
    step = max(
        architecture.head_size, _SLICE_ELEMENTS // matrix.columns // architecture.head_size * architecture.head_size
    )
    for part in matrix.parts:
        order = _row_order(architecture, part.name, part.rows)
        for start in range(0, part.rows, step):
            stop = min(start + step, part.rows)
            values = file.read_rows(part, start, stop)[order[start:stop] - start]
            if not np.isfinite(values).all():
                raise ModelFileError(f"{file.path}: the tensor `{part.name}` holds values that are not numbers.")
            quantized = quantize_rows(values)
            writer.write(quantized.codes)
            scales.append(quantized.scales)
            zero_points.append(quantized.zero_points)
    writer.add(f"{matrix.name}.scales", np.concatenate(scales))
    writer.add(f"{matrix.name}.zero_points", np.concatenate(zero_points))


def _alias_embedding(architecture: Architecture, writer: ExternalDataWriter) -> None:
    """Shows the embedding in the shape of GatherBlockQuantized, and a tied one again as the output projection."""
    size = (architecture.vocabulary_size, architecture.hidden_size)
    writer.alias("embedding.rows", "embedding.codes", size)
    if architecture.tied_embeddings:
        blocks = architecture.hidden_size // BLOCK_SIZE
        writer.alias("output.codes", "embedding.codes", (size[0], blocks, BLOCK_SIZE))
        writer.alias("output.scales", "embedding.scales", (size[0], blocks))
        writer.alias("output.zero_points", "embedding.zero_points", (size[0], blocks))


def _write_configuration(target: Path, architecture: Architecture, tokenizer: Tokenizer) -> None:
    _write_json(target / folder.TOKENIZER, tokenizer.tokenizer)
    _write_json(target / folder.TOKENIZER_CONFIGURATION, tokenizer.configuration)
    if tokenizer.chat_template is not None:
        (target / folder.CHAT_TEMPLATE).write_text(tokenizer.chat_template, encoding="utf-8", newline="")
    _write_json(target / folder.CONFIGURATION, genai_config(architecture, tokenizer))


def _write_json(file: Path, value: dict[str, Any]) -> None:
    file.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8", newline="")


def genai_config(architecture: Architecture, tokenizer: Tokenizer) -> dict[str, Any]:
    """The folder's `genai_config.json`; its search section is plain greedy decoding."""
    special = tokenizer.special
    return {
        "model": {
            "bos_token_id": special.end[0] if special.bos is None else special.bos,
            "context_length": architecture.context_length,
            "decoder": {
                "session_options": {"log_id": "onnxruntime-genai", "provider_options": []},
                "filename": MODEL,
                "head_size": architecture.head_size,
                "hidden_size": architecture.hidden_size,
                "inputs": {
                    "input_ids": graph.INPUT_IDS,
                    "attention_mask": graph.ATTENTION_MASK,
                    "past_key_names": graph.PAST_KEY,
                    "past_value_names": graph.PAST_VALUE,
                },
                "outputs": {
                    "logits": graph.LOGITS,
                    "present_key_names": graph.PRESENT_KEY,
                    "present_value_names": graph.PRESENT_VALUE,
                },
                "num_attention_heads": architecture.heads,
                "num_hidden_layers": architecture.layers,
                "num_key_value_heads": architecture.kv_heads,
            },
            "eos_token_id": list(special.end),
            "pad_token_id": special.padding,
            "type": architecture.model_type,
            "vocab_size": architecture.vocabulary_size,
        },
        "search": {
            "do_sample": False,
            "max_length": architecture.context_length,
            "min_length": 0,
            "num_beams": 1,
            "num_return_sequences": 1,
            "past_present_share_buffer": True,
            "repetition_penalty": 1.0,
            "temperature": 1.0,
            "top_k": 1,
            "top_p": 1.0,
        },
    }


def _prove(target: Path, architecture: Architecture) -> None:
    """Loads the tokenizer and the model and runs one forward pass. Raises ModelFileError: that did not work."""
    import tokenizers

    onnxruntime: Any = importlib.import_module("onnxruntime")  # it carries no types

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3  # the optional input draws a warning
    empty = np.zeros((1, architecture.kv_heads, 0, architecture.head_size), np.float32)
    feeds = {graph.INPUT_IDS: np.zeros((1, 2), np.int64), graph.ATTENTION_MASK: np.ones((1, 2), np.int64)}
    for layer in range(architecture.layers):
        feeds |= {graph.PAST_KEY % layer: empty, graph.PAST_VALUE % layer: empty}
    try:
        tokenizers.Tokenizer.from_file(str(target / folder.TOKENIZER))
        session = onnxruntime.InferenceSession(str(target / MODEL), options, providers=["CPUExecutionProvider"])
        logits = np.asarray(session.run([graph.LOGITS], feeds)[0])
    except Exception as error:  # both libraries raise bare Exception subclasses of many kinds
        raise ModelFileError(f"The converted model does not run: {error}") from error
    if logits.shape != (1, 2, architecture.vocabulary_size) or not np.isfinite(logits).all():
        raise ModelFileError(f"The converted model answers with {logits.shape} values, not all of them numbers.")
