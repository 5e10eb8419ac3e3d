"""Reads GGUF files: metadata and tensors, each tensor dequantised in slices of rows.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little endian.
`gguf.GGUFReader` is not used: it keeps several array objects a vocabulary entry (190 MB for 49,152
tokens) and answers a truncated file with an IndexError. The tensor types are its package's, though.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from codex_windows_ai.errors import ModelFileError, ModelNotFoundError, UnsupportedModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAGIC = b"GGUF"
SUPPORTED_VERSIONS = (2, 3)
DEFAULT_ALIGNMENT = 32

MetadataValue = int | float | bool | str | list[int] | list[float] | list[bool] | list[str]
_Value = TypeVar("_Value", int, float, str)

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9


@dataclass(frozen=True, slots=True)
class GgufTensor:
    """Where a tensor lies. `shape` is in row-major order: (rows, columns) for a matrix."""

    name: str
    kind: GGMLQuantizationType
    shape: tuple[int, ...]
    offset: int
    row_bytes: int

    @property
    def rows(self) -> int:
        """Number of rows: slices of the last dimension; 1 for a vector."""
        return int(np.prod(self.shape[:-1], dtype=np.int64))

    @property
    def columns(self) -> int:
        """Elements of a row."""
        return self.shape[-1]

    @property
    def bytes(self) -> int:
        """Size in the file."""
        return self.rows * self.row_bytes


class GgufFile:
    """An open GGUF file; a context manager.

    Raises ModelNotFoundError: there is no such file. ModelFileError: it is not a sound GGUF file.
    UnsupportedModelError: a version or tensor type that cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._file: BinaryIO = path.open("rb")
        except FileNotFoundError as error:
            raise ModelNotFoundError(f"There is no file {path}.") from error
        except OSError as error:
            raise ModelFileError(f"Cannot read {path}: {error}") from error
        try:
            self.size = os.fstat(self._file.fileno()).st_size
            self.metadata, self.tensors = self._read_header()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> GgufFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @cached_property
    def architecture(self) -> str:
        """`general.architecture`: which family of models this is."""
        return self.text("general.architecture")

    def get(self, key: str, kind: type[_Value], default: _Value | None = None) -> _Value:
        """The metadata value `key`, which must be an int, float or str as asked for.

        Raises ModelFileError: it is missing and has no default, or is of another type.
        """
        value = self.metadata.get(key, default)
        if value is None:
            raise ModelFileError(f"{self.path}: the metadata lacks `{key}`.")
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, kind):
            raise ModelFileError(f"{self.path}: `{key}` must be {kind.__name__}, found {type(value).__name__}.")
        return value

    def integer(self, key: str, default: int | None = None) -> int:
        """`get` for int."""
        return self.get(key, int, default)

    def text(self, key: str, default: str | None = None) -> str:
        """`get` for str."""
        return self.get(key, str, default)

    def texts(self, key: str) -> list[str]:
        """A list of strings. Raises ModelFileError: it is missing or something else."""
        value = self.metadata.get(key)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            raise ModelFileError(f"{self.path}: the metadata lacks the list of strings `{key}`.")
        return [str(item) for item in value]

    def integers(self, key: str) -> list[int]:
        """A list of integers; empty when missing."""
        value = self.metadata.get(key, [])
        if not isinstance(value, list) or not all(isinstance(item, int) for item in value):
            raise ModelFileError(f"{self.path}: `{key}` must be a list of integers.")
        return [int(item) for item in value]

    def tensor(self, name: str, *shape: int) -> GgufTensor:
        """The tensor `name`. Raises ModelFileError: it is missing or not of this shape."""
        tensor = self.tensors.get(name)
        if tensor is None:
            raise ModelFileError(f"{self.path}: the tensor `{name}` is missing.")
        if tensor.shape != shape:
            raise ModelFileError(f"{self.path}: the tensor `{name}` must be {shape}, found {tensor.shape}.")
        return tensor

    def read_rows(self, tensor: GgufTensor, start: int = 0, stop: int | None = None) -> NDArray[np.float32]:
        """Rows `start` to `stop` of a tensor as float32 [rows, columns].

        Raises UnsupportedModelError: the `gguf` package cannot dequantise this type.
        """
        from gguf.quants import dequantize

        stop = tensor.rows if stop is None else stop
        self._file.seek(tensor.offset + start * tensor.row_bytes)
        raw = np.frombuffer(self._take((stop - start) * tensor.row_bytes), np.uint8)
        try:
            if tensor.kind is GGMLQuantizationType.F32:
                values = raw.view("<f4")
            elif tensor.kind is GGMLQuantizationType.F16:
                values = raw.view("<f2").astype(np.float32)
            else:
                values = dequantize(raw.reshape(stop - start, tensor.row_bytes), tensor.kind)
        except NotImplementedError as error:
            raise UnsupportedModelError(
                f"{self.path}: the tensor `{tensor.name}` is of type {tensor.kind.name}, which cannot be dequantised.",
                hint="Use a GGUF file with another quantisation, such as Q8_0, Q4_1 or Q4_K.",
            ) from error
        return values.reshape(stop - start, tensor.columns)

    def _take(self, count: int) -> bytes:
        """Reads exactly `count` bytes."""
        position = self._file.tell()
        if count > self.size - position:
            raise ModelFileError(
                f"{self.path} is truncated or corrupt: {count} bytes are needed at offset {position}, "
                f"but the file ends at {self.size}.",
                hint="Fetch the file again.",
            )
        return self._file.read(count)

    def _scalar(self, code: str) -> int | float | bool:
        return struct.unpack("<" + code, self._take(struct.calcsize(code)))[0]

    def _count(self) -> int:
        return int(self._scalar("Q"))

    def _string(self) -> str:
        raw = self._take(self._count())
        try:
            return raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise ModelFileError(f"{self.path}: a string in the metadata is not UTF-8: {error}") from error

    def _value(self, kind: int) -> MetadataValue:
        if kind == _STRING:
            return self._string()
        if kind in _SCALARS:
            return self._scalar(_SCALARS[kind])
        if kind == _ARRAY:
            element, count = int(self._scalar("I")), self._count()
            if element == _STRING:
                return [self._string() for _ in range(count)]
            if element in _SCALARS:
                code = _SCALARS[element]
                return list(struct.unpack(f"<{count}{code}", self._take(count * struct.calcsize(code))))
            kind = element
        raise ModelFileError(f"{self.path}: a metadata value has the unknown type {kind}.")

    def _read_header(self) -> tuple[dict[str, MetadataValue], dict[str, GgufTensor]]:
        magic = self._file.read(4)
        if magic != MAGIC:
            raise ModelFileError(
                f"{self.path} is not a GGUF file: it starts with {magic!r} instead of {MAGIC!r}.",
                hint="Give a .gguf file or a folder in the ONNX Runtime GenAI format.",
            )
        version = int(self._scalar("I"))
        if version not in SUPPORTED_VERSIONS:
            raise UnsupportedModelError(
                f"{self.path} is GGUF version {version}; versions {SUPPORTED_VERSIONS} are supported, little endian."
            )
        tensor_count, value_count = self._count(), self._count()
        metadata: dict[str, MetadataValue] = {}
        for _ in range(value_count):
            key = self._string()
            metadata[key] = self._value(int(self._scalar("I")))
        infos = [self._tensor_info() for _ in range(tensor_count)]
        alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
        if not isinstance(alignment, int) or alignment < 1:
            raise ModelFileError(f"{self.path}: `general.alignment` is {alignment}.")
        start = -(-self._file.tell() // alignment) * alignment
        return metadata, {info.name: self._placed(info, start) for info in infos}

    def _tensor_info(self) -> GgufTensor:
        name = self._string()
        shape = tuple(reversed([self._count() for _ in range(int(self._scalar("I")))]))
        number, offset = int(self._scalar("I")), self._count()
        try:
            kind = GGMLQuantizationType(number)
        except ValueError as error:
            raise UnsupportedModelError(f"{self.path}: the tensor `{name}` has the unknown type {number}.") from error
        block, block_bytes = GGML_QUANT_SIZES[kind]
        if not shape or 0 in shape or shape[-1] % block:
            raise ModelFileError(f"{self.path}: the tensor `{name}` has the impossible shape {shape} for {kind.name}.")
        return GgufTensor(name, kind, shape, offset, shape[-1] // block * block_bytes)

    def _placed(self, tensor: GgufTensor, start: int) -> GgufTensor:
        offset = start + tensor.offset
        if offset + tensor.bytes > self.size:
            raise ModelFileError(
                f"{self.path} is truncated: the tensor `{tensor.name}` ends at {offset + tensor.bytes}, "
                f"but the file at {self.size}.",
                hint="Fetch the file again.",
            )
        return GgufTensor(tensor.name, tensor.kind, tensor.shape, offset, tensor.row_bytes)
