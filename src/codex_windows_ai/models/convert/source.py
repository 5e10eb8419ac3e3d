"""The weights of a GGUF file as the blocks ask for them: stacked, and with rows in the order of the graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from codex_windows_ai.errors import ModelFileError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from codex_windows_ai.models.blocks.decoder import Decoder
    from codex_windows_ai.models.blocks.weights import Matrix, Vector
    from codex_windows_ai.models.gguf.file import GgufFile, GgufTensor
    from codex_windows_ai.models.gguf.layout import Layout

    Array = NDArray[np.float32]

_MOST_VALUE = 1e30  # what is larger overflows in the first product
_SLICE_ELEMENTS = 1_000_000  # dequantised at a time: some tens of megabytes with all temporaries


@dataclass(frozen=True, slots=True)
class SourceWeights:
    """Reads float32 weights of `file`, which are stored as `layout` says."""

    file: GgufFile
    layout: Layout

    def check(self, decoder: Decoder) -> None:
        """Looks for all weights. Raises ModelFileError: a tensor is missing or of another shape."""
        for vector in decoder.vectors:
            self._tensors_of_vector(vector)
        for matrix in decoder.matrices:
            self._tensors_of_matrix(matrix)

    def vector(self, vector: Vector) -> Array:
        """All values, [sum of sizes]. Raises ModelFileError: values that are not finite."""
        parts = self._tensors_of_vector(vector)
        return np.concatenate(
            [self._read(part, 0, 1)[0][self._order(part, part.columns, vector.head_size)] for part in parts]
        )

    def slices(self, matrix: Matrix) -> Iterator[Array]:
        """The rows from first to last, in slices [rows, columns] of bounded size.

        Raises ModelFileError: values that are not finite. UnsupportedModelError: as `GgufFile.read_rows`.
        """
        step = max(1, _SLICE_ELEMENTS // (matrix.columns * matrix.head_size)) * matrix.head_size
        for part in self._tensors_of_matrix(matrix):
            order = self._order(part, part.rows, matrix.head_size)
            for start in range(0, part.rows, step):
                stop = min(start + step, part.rows)
                yield self._read(part, start, stop)[order[start:stop] - start]

    def matrix(self, matrix: Matrix) -> Array:
        """All rows at once, [rows, columns]."""
        values, done = np.empty((matrix.rows, matrix.columns), np.float32), 0
        for part in self.slices(matrix):
            values[done : done + len(part)] = part
            done += len(part)
        return values

    def rows(self, matrix: Matrix, numbers: list[int]) -> Array:
        """Some rows, [len(numbers), columns], of a matrix that is one tensor in the graph's order."""
        (tensor,) = self._tensors_of_matrix(matrix)
        return np.concatenate([self._read(tensor, number, number + 1) for number in numbers])

    def _read(self, tensor: GgufTensor, start: int, stop: int) -> Array:
        """Rows [rows, columns] as they are stored; all of them numbers that are far from the ends of float32."""
        values = self.file.read_rows(tensor, start, stop)
        if not (np.abs(values) <= _MOST_VALUE).all():  # nor what is no number
            raise ModelFileError(
                f"{self.file.path}: `{tensor.name}` holds values that are not finite numbers, or as good as infinite.",
                hint="Fetch the file again.",
            )
        return values

    def _tensors_of_vector(self, vector: Vector) -> list[GgufTensor]:
        names = self.layout.tensors_of(vector.part, vector.layer)
        return [self.file.tensor(name, size) for name, size in zip(names, vector.sizes, strict=True)]

    def _tensors_of_matrix(self, matrix: Matrix) -> list[GgufTensor]:
        names = self.layout.tensors_of(matrix.part, matrix.layer)
        return [self.file.tensor(name, rows, matrix.columns) for name, rows in zip(names, matrix.sizes, strict=True)]

    def _order(self, tensor: GgufTensor, rows: int, head_size: int) -> NDArray[np.int64]:
        """Which stored row belongs where.

        Interleaved files take the rows of the two halves of each head in turns, for a rotation of neighbouring
        elements; the graph rotates halves, as the models were trained to.
        """
        order = np.arange(rows, dtype=np.int64)
        if self.layout.is_interleaved(tensor.name):
            order = order.reshape(-1, head_size // 2, 2).swapaxes(1, 2).reshape(-1)
        return order
