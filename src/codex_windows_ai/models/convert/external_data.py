"""Writes the tensors of an ONNX model, one after the other, into one external data file.

https://github.com/onnx/onnx/blob/main/docs/ExternalData.md. The model itself then holds only names,
shapes and offsets, so no more than a slice of one tensor is ever in memory.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from onnx import TensorProto, helper

if TYPE_CHECKING:
    from numpy.typing import NDArray

ALIGNMENT = 4096  # of large tensors, so that they can be mapped into memory; small ones are aligned for vector loads
_SMALL_ALIGNMENT = 64


class ExternalDataWriter:
    """Appends tensors to a file; `tensors` are the initializers that point into it."""

    def __init__(self, path: Path) -> None:
        self.tensors: list[TensorProto] = []
        self._path = path
        self._file = path.open("xb")

    def close(self) -> None:
        """Closes the file; the tensors stay usable."""
        self._file.close()

    def add(self, name: str, values: NDArray[Any]) -> None:
        """Appends a whole tensor."""
        self.begin(name, values.dtype, values.shape)
        self.write(values)

    def begin(self, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
        """Starts a tensor whose values follow through `write`, in row-major order."""
        length = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
        self._file.write(bytes(-self._file.tell() % (ALIGNMENT if length >= ALIGNMENT else _SMALL_ALIGNMENT)))
        self._point(name, helper.np_dtype_to_tensor_dtype(dtype), shape, self._file.tell(), length)

    def write(self, values: NDArray[Any]) -> None:
        """Appends values to the tensor begun last."""
        self._file.write(np.ascontiguousarray(values).view(np.uint8).data)  # of bfloat16 there are no buffers

    def alias(self, name: str, source: str, shape: tuple[int, ...]) -> None:
        """A second initializer over the same bytes, in another shape of the same size."""
        tensor = next(tensor for tensor in self.tensors if tensor.name == source)
        place = {entry.key: int(entry.value) for entry in tensor.external_data if entry.key != "location"}
        self._point(name, tensor.data_type, shape, place["offset"], place["length"])

    def tensors_of(self, name: str) -> list[TensorProto]:
        """The tensors whose names go on behind this one and a dot."""
        return [tensor for tensor in self.tensors if tensor.name.startswith(f"{name}.")]

    def _point(self, name: str, data_type: int, shape: tuple[int, ...], offset: int, length: int) -> None:
        tensor = TensorProto(name=name, data_type=data_type, dims=shape, data_location=TensorProto.EXTERNAL)
        for key, value in (("location", self._path.name), ("offset", offset), ("length", length)):
            tensor.external_data.add(key=key, value=str(value))
        self.tensors.append(tensor)
