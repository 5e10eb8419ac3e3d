"""Writes the weights of a GGUF file as the initializers that `graph` names, one slice of a tensor at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from codex_windows_ai.errors import ModelFileError
from codex_windows_ai.models.architecture import Architecture, rotary_caches
from codex_windows_ai.models.external_data import ALIGNMENT, ExternalDataWriter
from codex_windows_ai.models.gguf_file import GgufFile, GgufTensor
from codex_windows_ai.models.graph import INTEGER_PRODUCTS, layer_weight
from codex_windows_ai.models.quantization import BLOCK_SIZE, quantize_rows, quantize_whole_rows

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from codex_windows_ai.models.progress import Progress

_OUTPUT_NORM = "output_norm"
_SLICE_ELEMENTS = 1_000_000  # dequantised at a time: some tens of megabytes with all temporaries


@dataclass(frozen=True, slots=True)
class Matrix:
    """A weight matrix of the graph: GGUF matrices stacked by rows."""

    name: str
    parts: tuple[GgufTensor, ...]
    norm: str = ""
    """The norm that it reads, whose smoothing factors its columns take."""

    @property
    def whole_rows(self) -> bool:
        """One scale a row, so that `graph` can also multiply it as integers."""
        return self.name.rpartition(".")[2] in INTEGER_PRODUCTS

    @property
    def rows(self) -> int:
        """Rows of all parts together."""
        return sum(part.rows for part in self.parts)

    @property
    def columns(self) -> int:
        """Columns of every part."""
        return self.parts[0].columns


def weight_matrices(file: GgufFile, architecture: Architecture) -> list[Matrix]:
    """All weight matrices. They and the vectors are checked for presence and shape before anything is written."""
    hidden, width = architecture.hidden_size, architecture.feed_forward_size
    query, key, vocabulary = architecture.query_size, architecture.key_size, architecture.vocabulary_size

    def matrix(name: str, *parts: tuple[str, int, int], norm: str = "") -> Matrix:
        tensors = (file.tensor(f"{part}.weight", rows, columns) for part, rows, columns in parts)
        return Matrix(name, tuple(tensors), norm)

    for name, size in _vector_sizes(architecture).items():
        file.tensor(name, size)
    embedding = ("token_embd", vocabulary, hidden)
    if architecture.tied_embeddings:
        found = [matrix("embedding", embedding, norm=_OUTPUT_NORM)]
    else:
        found = [matrix("embedding", embedding), matrix("output", ("output", vocabulary, hidden), norm=_OUTPUT_NORM)]
    for layer in range(architecture.layers):
        block = f"blk.{layer}"
        found += [
            matrix(
                layer_weight(layer, "query_key_value"),
                (f"{block}.attn_q", query, hidden),
                (f"{block}.attn_k", key, hidden),
                (f"{block}.attn_v", key, hidden),
                norm=f"{block}.attn_norm",
            ),
            matrix(layer_weight(layer, "attention_output"), (f"{block}.attn_output", hidden, query)),
            matrix(
                layer_weight(layer, "gate_up"),
                (f"{block}.ffn_gate", width, hidden),
                (f"{block}.ffn_up", width, hidden),
                norm=f"{block}.ffn_norm",
            ),
            matrix(layer_weight(layer, "down"), (f"{block}.ffn_down", hidden, width)),
        ]
    return found


def _vector_sizes(architecture: Architecture) -> dict[str, int]:
    sizes = {f"{_OUTPUT_NORM}.weight": architecture.hidden_size}
    for layer in range(architecture.layers):
        for norm in ("attn_norm", "ffn_norm"):
            sizes[f"blk.{layer}.{norm}.weight"] = architecture.hidden_size
        if architecture.attention_bias:
            sizes[f"blk.{layer}.attn_q.bias"] = architecture.query_size
            sizes[f"blk.{layer}.attn_k.bias"] = sizes[f"blk.{layer}.attn_v.bias"] = architecture.key_size
    return sizes


def estimated_bytes(architecture: Architecture, matrices: Sequence[Matrix]) -> int:
    """Bytes that the folder will take, rounded up."""
    block_bytes = BLOCK_SIZE + 4 + 1  # codes, float32 scale, zero point; scales of rows are far fewer
    weights = sum(matrix.rows * matrix.columns // BLOCK_SIZE * block_bytes + 3 * ALIGNMENT for matrix in matrices)
    caches = architecture.context_length * architecture.head_size * 4
    return weights + caches


@dataclass(frozen=True, slots=True)
class WeightWriter:
    """Writes from `file` to `output`; `factors` are those of `smoothing`."""

    file: GgufFile
    architecture: Architecture
    factors: dict[str, NDArray[np.float32]]
    output: ExternalDataWriter

    def write(self, matrices: Sequence[Matrix], progress: Progress) -> None:
        """Writes everything; `progress` counts matrices."""
        self._write_vectors()
        for done, matrix in enumerate(matrices):
            progress("convert", done, len(matrices))
            self._write_matrix(matrix)
        self._alias_embedding()

    def _write_vectors(self) -> None:
        """Norms, biases and the rotary caches, all float32."""
        architecture, output = self.architecture, self.output
        for name, values in zip(("cosines", "sines"), rotary_caches(self.file, architecture), strict=True):
            output.add(name, values)
        output.add("final_norm", self._vector(f"{_OUTPUT_NORM}.weight") / self.factors[_OUTPUT_NORM])
        if architecture.tied_embeddings:
            output.add("embedding.unsmoothing", 1 / self.factors[_OUTPUT_NORM])
        for layer in range(architecture.layers):
            for name, part in (("attention_norm", "attn_norm"), ("feed_forward_norm", "ffn_norm")):
                norm = f"blk.{layer}.{part}"
                values = self._vector(f"{norm}.weight") / self.factors[norm]
                output.add(layer_weight(layer, name), values)
            if architecture.attention_bias:
                output.add(layer_weight(layer, "query_key_value.bias"), self._bias(layer))

    def _vector(self, name: str) -> NDArray[np.float32]:
        return self.file.read_rows(self.file.tensors[name])[0]

    def _bias(self, layer: int) -> NDArray[np.float32]:
        names = [f"blk.{layer}.attn_{part}.bias" for part in ("q", "k", "v")]
        vectors = [(name, self._vector(name)) for name in names]
        return np.concatenate([values[self._row_order(name, values.size)] for name, values in vectors])

    def _row_order(self, name: str, rows: int) -> NDArray[np.int64]:
        """Which stored row belongs where.

        llama.cpp's `llama` files interleave the two halves of each query and key head, for a rotation
        of neighbouring elements; the graph rotates halves, as the models were trained to.
        """
        order = np.arange(rows, dtype=np.int64)
        if self.architecture.interleaved_rope and (".attn_q." in name or ".attn_k." in name):
            order = order.reshape(-1, self.architecture.head_size // 2, 2).swapaxes(1, 2).reshape(-1)
        return order

    def _write_matrix(self, matrix: Matrix) -> None:
        """Quantises slice by slice; scales and zero points follow the codes, which stream."""
        head_size = self.architecture.head_size  # rows change places within a head only
        step = max(1, _SLICE_ELEMENTS // (matrix.columns * head_size)) * head_size
        factors = self.factors[matrix.norm] if matrix.norm else np.float32(1)
        quantize = quantize_whole_rows if matrix.whole_rows else quantize_rows
        scales: list[NDArray[np.float32]] = []
        zero_points: list[NDArray[np.uint8]] = []
        shape = (matrix.rows, matrix.columns // BLOCK_SIZE, BLOCK_SIZE)
        self.output.begin(f"{matrix.name}.codes", np.dtype(np.uint8), shape)
        for part in matrix.parts:
            order = self._row_order(part.name, part.rows)
            for start in range(0, part.rows, step):
                stop = min(start + step, part.rows)
                values = self.file.read_rows(part, start, stop)[order[start:stop] - start]
                if not np.isfinite(values).all():
                    raise ModelFileError(f"{self.file.path}: `{part.name}` holds values that are not finite numbers.")
                quantized = quantize(values * factors)
                self.output.write(quantized.codes)
                scales.append(quantized.scales)
                zero_points.append(quantized.zero_points)
        self.output.add(f"{matrix.name}.scales", np.concatenate(scales))
        self.output.add(f"{matrix.name}.zero_points", np.concatenate(zero_points))
        if matrix.whole_rows:
            self.output.alias(f"{matrix.name}.rows", f"{matrix.name}.codes", (matrix.rows, matrix.columns))
            self.output.add(f"{matrix.name}.row_scales", np.concatenate(scales)[:, 0])

    def _alias_embedding(self) -> None:
        """Shows the embedding in the shape of GatherBlockQuantized, and a tied one again as the output projection."""
        rows, columns = self.architecture.vocabulary_size, self.architecture.hidden_size
        self.output.alias("embedding.rows", "embedding.codes", (rows, columns))
        if self.architecture.tied_embeddings:
            blocks = columns // BLOCK_SIZE
            self.output.alias("output.codes", "embedding.codes", (rows, blocks, BLOCK_SIZE))
            self.output.alias("output.scales", "embedding.scales", (rows, blocks))
            self.output.alias("output.zero_points", "embedding.zero_points", (rows, blocks))
