"""Writes the weights of a decoder as the initializers that its graphs read, one slice of a tensor at a time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from codex_windows_ai.errors import ModelFileError
from codex_windows_ai.models.blocks.products import BLOCK_SIZE
from codex_windows_ai.models.blocks.rope import rotary_values
from codex_windows_ai.models.convert.external_data import ALIGNMENT, ExternalDataWriter
from codex_windows_ai.models.convert.quantization import quantize_rows, quantize_whole_rows
from codex_windows_ai.models.convert.source import SourceWeights

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from codex_windows_ai.models.blocks.decoder import Decoder
    from codex_windows_ai.models.blocks.weights import Matrix, Vector
    from codex_windows_ai.models.progress import Progress


_SPARE_TABLE_BYTES = 1 << 29
"""Enough for a window of a million tokens beside weights of any size."""
_TABLE_ELEMENTS = 1_000_000  # computed at a time


def estimated_bytes(decoder: Decoder) -> int:
    """Bytes that the folder will take, rounded up."""
    return _matrix_bytes(decoder) + _table_bytes(decoder)


def token_bytes(decoder: Decoder) -> int:
    """Bytes of the float32 keys and values of one token."""
    return sum(2 * layer.attention.key_size * 4 for layer in decoder.spec.layers)


def check_window(decoder: Decoder, name: str) -> None:
    """Holds the window, for whose every position there are cosines and sines, against the weights.

    Raises ModelFileError: it is out of all proportion to them.
    """
    tables, weights = _table_bytes(decoder), _matrix_bytes(decoder)
    if tables > max(weights, _SPARE_TABLE_BYTES):
        raise ModelFileError(
            f"{name}: a `context_length` of {decoder.spec.context_length} takes {tables:,} bytes of cosines and sines, "
            f"beside {weights:,} bytes of weights; that is no model's.",
            hint="Fetch the file again.",
        )


def _matrix_bytes(decoder: Decoder) -> int:
    block_bytes = BLOCK_SIZE + 4 + 1  # codes, float32 scale, zero point; scales of rows are far fewer
    return sum(matrix.rows * matrix.columns // BLOCK_SIZE * block_bytes + 3 * ALIGNMENT for matrix in decoder.matrices)


def _table_bytes(decoder: Decoder) -> int:
    return sum(decoder.spec.context_length * rope.size * 4 for rope in decoder.rotary)


@dataclass(frozen=True, slots=True)
class WeightWriter:
    """Writes the weights of `decoder` from `source` to `output`; `factors` are those of `calibration`."""

    source: SourceWeights
    decoder: Decoder
    factors: Mapping[Vector, NDArray[np.float32]]
    output: ExternalDataWriter

    def write(self, progress: Progress) -> None:
        """Writes everything; `progress` counts matrices."""
        self._write_tables()
        self._write_vectors()
        matrices = self.decoder.matrices
        for done, matrix in enumerate(matrices):
            progress("convert", done, len(matrices))
            self._write_matrix(matrix)
        self._alias_embedding()

    def _write_tables(self) -> None:
        positions = self.decoder.spec.context_length
        for rope, tables in self.decoder.rotary.items():
            step = max(1, _TABLE_ELEMENTS // rope.size)
            for number, name in enumerate(tables):
                self.output.begin(name, np.dtype(np.float32), (positions, rope.size // 2))
                for start in range(0, positions, step):
                    self.output.write(rotary_values(rope, range(start, min(start + step, positions)))[number])

    def _write_vectors(self) -> None:
        """Norms, divided by their smoothing factors, and biases, all float32."""
        for vector in self.decoder.vectors:
            values = self.source.vector(vector)
            factors = self.factors.get(vector)
            self.output.add(vector.name, values if factors is None else values / factors)
            if self.decoder.embedding.matrix.norm == vector:
                self.output.add(f"{self.decoder.embedding.matrix.name}.unsmoothing", 1 / self.factors[vector])

    def _write_matrix(self, matrix: Matrix) -> None:
        """Quantises slice by slice; scales and zero points follow the codes, which stream."""
        factors = self.factors[matrix.norm] if matrix.norm else np.float32(1)
        quantize = quantize_whole_rows if matrix.row_scales else quantize_rows
        scales: list[NDArray[np.float32]] = []
        zero_points: list[NDArray[np.uint8]] = []
        shape = (matrix.rows, matrix.columns // BLOCK_SIZE, BLOCK_SIZE)
        self.output.begin(f"{matrix.name}.codes", np.dtype(np.uint8), shape)
        for values in self.source.slices(matrix):
            quantized = quantize(values * factors)
            self.output.write(quantized.codes)
            scales.append(quantized.scales)
            zero_points.append(quantized.zero_points)
        self.output.add(f"{matrix.name}.scales", np.concatenate(scales))
        self.output.add(f"{matrix.name}.zero_points", np.concatenate(zero_points))
        if matrix.row_scales:
            self.output.alias(f"{matrix.name}.rows", f"{matrix.name}.codes", (matrix.rows, matrix.columns))
            self.output.add(f"{matrix.name}.row_scales", np.concatenate(scales)[:, 0])

    def _alias_embedding(self) -> None:
        """Shows the embedding in the shape of GatherBlockQuantized, and a tied one again as the head's matrix."""
        embedding, head = self.decoder.embedding.matrix, self.decoder.head.matrix
        rows, blocks = embedding.rows, embedding.columns // BLOCK_SIZE
        self.output.alias(f"{embedding.name}.rows", f"{embedding.name}.codes", (rows, embedding.columns))
        if self.decoder.spec.tied_embeddings:
            self.output.alias(f"{head.name}.codes", f"{embedding.name}.codes", (rows, blocks, BLOCK_SIZE))
            self.output.alias(f"{head.name}.scales", f"{embedding.name}.scales", (rows, blocks))
            self.output.alias(f"{head.name}.zero_points", f"{embedding.name}.zero_points", (rows, blocks))
