"""The weights of a GGUF file as the blocks ask for them: one by one, and with rows in the order of the graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from codex_windows_ai.errors import ModelFileError
from codex_windows_ai.models.blocks.weights import Experts, Matrix, Vector

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gguf.constants import GGMLQuantizationType
    from numpy.typing import NDArray

    from codex_windows_ai.models.blocks.decoder import Decoder
    from codex_windows_ai.models.gguf.file import GgufFile, GgufTensor
    from codex_windows_ai.models.gguf.layout import Layout

    Array = NDArray[np.float32]

MOST_VALUE = 1e30  # what is larger overflows in the first product
_SLICE_ELEMENTS = 1_000_000  # dequantised at a time: some tens of megabytes with all temporaries


class _Place(NamedTuple):
    """Where a weight begins: of a matrix the row, of a vector the element."""

    tensor: GgufTensor
    start: int


@dataclass(frozen=True, slots=True)
class SourceWeights:
    """Reads float32 weights of `decoder` from `file`, which are stored as `layout` says."""

    file: GgufFile
    layout: Layout
    decoder: Decoder

    def check(self) -> None:
        """Looks for all weights. Raises ModelFileError: a tensor is missing or of another shape."""
        for weight in (*self.decoder.vectors, *self.decoder.matrices):
            self._place(weight)
        for experts in self.decoder.experts:
            for member in experts.members:
                self._expert_place(experts, member)
                if experts.biased:
                    self._expert_place(experts, f"{member}.bias")

    def vector(self, vector: Vector) -> Array:
        """All values, [size], or [taps, size]. Raises ModelFileError: values that are not finite."""
        tensor, start = self._place(vector)
        if vector.taps:
            return np.ascontiguousarray(self._read(tensor, 0, vector.size).T)
        values = self._read(tensor, 0, 1)[0][start : start + vector.size]
        return values[self._order(vector.part, vector.size, vector.head_size)]

    def slices(self, matrix: Matrix) -> Iterator[Array]:
        """The rows from first to last, in slices [rows, columns] of bounded size.

        Raises ModelFileError: values that are not finite. UnsupportedModelError: as `GgufFile.read_rows`.
        """
        tensor, first = self._place(matrix)
        for start, stop, order in self._spans(matrix):
            yield self._read(tensor, first + start, first + stop)[order]

    def raw_slices(self, matrix: Matrix) -> Iterator[NDArray[np.uint8]]:
        """The rows as `slices` gives them, in the file's own format: [rows, row bytes]."""
        tensor, first = self._place(matrix)
        for start, stop, order in self._spans(matrix):
            yield self.file.read_raw(tensor, first + start, first + stop)[order]

    def kind(self, matrix: Matrix) -> GGMLQuantizationType:
        """How the matrix is quantised in the file."""
        return self._place(matrix).tensor.kind

    def matrix(self, matrix: Matrix) -> Array:
        """All rows at once, [rows, columns]."""
        values, done = np.empty((matrix.rows, matrix.columns), np.float32), 0
        for part in self.slices(matrix):
            values[done : done + len(part)] = part
            done += len(part)
        return values

    def rows(self, matrix: Matrix, numbers: list[int]) -> Array:
        """Some rows, [len(numbers), columns], of a matrix that is stored in the graph's order."""
        tensor, first = self._place(matrix)
        return np.concatenate([self._read(tensor, first + number, first + number + 1) for number in numbers])

    def expert_tensor(self, experts: Experts, member: str) -> GgufTensor:
        """The tensor that holds a member of all experts of a layer."""
        return self._expert_place(experts, member).tensor

    def expert_raw(self, experts: Experts, member: str, number: int) -> NDArray[np.uint8]:
        """A member of one expert in the file's own format: [rows, row bytes]."""
        tensor, start = self._expert_place(experts, member)
        first = number * tensor.shape[1] + start
        return self.file.read_raw(tensor, first, first + experts.rows // len(experts.members))

    def expert_values(self, experts: Experts, member: str, raw: NDArray[np.uint8]) -> Array:
        """What `expert_raw` gave as float32 [rows, columns]; without reading the file. Raises as `slices`."""
        tensor = self.expert_tensor(experts, member)
        return self._finite(tensor, self.file.values_of(tensor, raw))

    def expert_biases(self, experts: Experts) -> Array:
        """Those of all experts of a layer, in the order of their rows: [experts, rows]."""
        members: list[Array] = []
        for member in experts.members:
            tensor, start = self._expert_place(experts, f"{member}.bias")
            size = experts.rows // len(experts.members)
            members.append(self._read(tensor, 0, experts.count)[:, start : start + size])
        return np.stack(members, axis=-1).reshape(experts.count, experts.rows)

    def _expert_place(self, experts: Experts, part: str) -> _Place:
        """Where a member, or its bias, begins within each expert. Raises ModelFileError: as `_place`."""
        name, parts = self.layout.place(part, experts.layer, self.file.tensors)
        size = experts.rows // len(experts.members)
        columns = () if part.endswith(".bias") else (experts.columns,)
        return _Place(self.file.tensor(name, experts.count, size * len(parts), *columns), size * parts.index(part))

    def _spans(self, matrix: Matrix) -> Iterator[tuple[int, int, NDArray[np.int64]]]:
        """From which row to which a slice goes, and the order of its rows."""
        order = self._order(matrix.part, matrix.rows, matrix.head_size)
        step = max(1, _SLICE_ELEMENTS // (matrix.columns * matrix.head_size)) * matrix.head_size
        for start in range(0, matrix.rows, step):
            stop = min(start + step, matrix.rows)
            yield start, stop, order[start:stop] - start

    def _read(self, tensor: GgufTensor, start: int, stop: int) -> Array:
        """Rows [rows, columns] as they are stored; all of them numbers that are far from the ends of float32."""
        return self._finite(tensor, self.file.read_rows(tensor, start, stop))

    def _finite(self, tensor: GgufTensor, values: Array) -> Array:
        if not (np.abs(values) <= MOST_VALUE).all():  # nor what is no number
            raise self._not_finite(tensor)
        return values

    def not_finite(self, matrix: Matrix) -> ModelFileError:
        """The error for a matrix in which something is no number, or as good as infinite."""
        return self._not_finite(self._place(matrix).tensor)

    def expert_not_finite(self, experts: Experts, member: str) -> ModelFileError:
        """As `not_finite`."""
        return self._not_finite(self.expert_tensor(experts, member))

    def _not_finite(self, tensor: GgufTensor) -> ModelFileError:
        return ModelFileError(
            f"{self.file.path}: `{tensor.name}` holds values that are not finite numbers, or as good as infinite.",
            hint="Fetch the file again.",
        )

    def _place(self, weight: Vector | Matrix) -> _Place:
        """Raises ModelFileError: its tensor is missing or of another shape."""
        name, parts = self.layout.place(weight.part, weight.layer, self.file.tensors)
        sizes = {weight.part: _size(weight)}
        if len(parts) > 1 and weight.layer is not None:
            layer = self.decoder.layers[weight.layer]
            sizes = {other.part: _size(other) for other in (*layer.vectors, *layer.matrices)}
        columns = [size for size in (weight.columns if isinstance(weight, Matrix) else weight.taps,) if size]
        return _Place(
            self.file.tensor(name, sum(sizes[part] for part in parts), *columns),
            sum(sizes[part] for part in parts[: parts.index(weight.part)]),
        )

    def _order(self, part: str, rows: int, head_size: int) -> NDArray[np.int64]:
        """Which stored row belongs where.

        Interleaved files take the rows of the two halves of each head in turns, for a rotation of neighbouring
        elements; the graph rotates halves, as the models were trained to.
        """
        order = np.arange(rows, dtype=np.int64)
        if self.layout.is_interleaved(part):
            order = order.reshape(-1, head_size // 2, 2).swapaxes(1, 2).reshape(-1)
        return order


def _size(weight: Vector | Matrix) -> int:
    """Elements of a vector, or rows of a matrix: what tensors that hold several parts are cut by."""
    return weight.rows if isinstance(weight, Matrix) else weight.size
