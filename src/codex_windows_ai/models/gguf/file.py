"""Reads GGUF files: metadata and tensors, each tensor dequantised in slices of rows.

Format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md, versions 2 and 3, little endian.
`gguf.GGUFReader` is not used: it keeps several array objects a vocabulary entry (190 MB for 49,152
tokens) and answers a truncated file with an IndexError. The tensor types are its package's, though.
"""

from __future__ import annotations

import math
import os
import stat
import struct
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, TypeVar

import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from codex_windows_ai.errors import ModelFileError, ModelNotFoundError, UnsupportedModelError
from codex_windows_ai.models.contents import shown

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAGIC = b"GGUF"
SUPPORTED_VERSIONS = (2, 3)
DEFAULT_ALIGNMENT = 32

# Several times what the largest known models have. Header and lists are held in memory, where Python takes up to seven
# bytes for one of the file; what is beyond these bounds is no model.
MOST_HEADER_BYTES = 1 << 26
MOST_LIST_ITEMS = 1 << 21
MOST_TENSORS = MOST_VALUES = 1 << 14
MOST_DIMENSIONS = 4  # ggml's own bound

MetadataValue = int | float | bool | str | list[int] | list[float] | list[bool] | list[str]
_Value = TypeVar("_Value", int, float, str)

_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_LEAST_VALUE_BYTES = 8 + 4 + 1  # the length of a key, a type, a value
_LEAST_INFO_BYTES = 8 + 4 + 8 + 4 + 8  # the length of a name, the number of sizes, one, a type, an offset


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
        return math.prod(self.shape[:-1])

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
        self._items_left = MOST_LIST_ITEMS
        try:
            if not stat.S_ISREG(path.stat().st_mode):  # opening a pipe would wait for who writes to it
                raise ModelFileError(f"{path} is no regular file.", hint="Give a .gguf file.")
            self._file: BinaryIO = path.open("rb")
        except FileNotFoundError as error:
            raise ModelNotFoundError(f"There is no file {path}.") from error
        except OSError as error:
            raise ModelFileError(f"Cannot read {path}: {error}") from error
        try:
            self.size = os.fstat(self._file.fileno()).st_size
            self._end = min(self.size, MOST_HEADER_BYTES)
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
            raise ModelFileError(f"{self.path}: the metadata lacks {shown(key)}.")
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, kind) or isinstance(value, bool):
            raise ModelFileError(f"{self.path}: {shown(key)} must be {kind.__name__}, found {type(value).__name__}.")
        return value

    def integer(self, key: str, default: int | None = None) -> int:
        """`get` for int."""
        return self.get(key, int, default)

    def text(self, key: str, default: str | None = None) -> str:
        """`get` for str."""
        return self.get(key, str, default)

    def flag(self, key: str, *, default: bool) -> bool:
        """Yes or no. Raises ModelFileError: it is something else."""
        value = self.metadata.get(key, default)
        if not isinstance(value, bool):
            raise ModelFileError(f"{self.path}: {shown(key)} must be true or false, found {type(value).__name__}.")
        return value

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
        return self.values_of(tensor, self.read_raw(tensor, start, tensor.rows if stop is None else stop))

    def values_of(self, tensor: GgufTensor, raw: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Rows of a tensor as `read_raw` gives them, as float32 [rows, columns]. Raises as `read_rows`."""
        from gguf.quants import dequantize

        try:
            if tensor.kind is GGMLQuantizationType.F32:
                values = raw.view("<f4")
            elif tensor.kind is GGMLQuantizationType.F16:
                values = raw.view("<f2").astype(np.float32)
            else:
                with np.errstate(all="ignore"):  # who reads looks whether all are numbers
                    values = dequantize(raw, tensor.kind)
        except NotImplementedError as error:
            raise UnsupportedModelError(
                f"{self.path}: the tensor `{tensor.name}` is of type {tensor.kind.name}, which cannot be dequantised.",
                hint="Use a GGUF file with another quantisation, such as Q8_0, Q4_1 or Q4_K.",
            ) from error
        return values.reshape(len(raw), tensor.columns)

    def read_raw(self, tensor: GgufTensor, start: int, stop: int) -> NDArray[np.uint8]:
        """Rows `start` to `stop` of a tensor as they are stored, [rows, row_bytes]."""
        self._file.seek(tensor.offset + start * tensor.row_bytes)
        raw = np.frombuffer(self._file.read((stop - start) * tensor.row_bytes), np.uint8)
        return raw.reshape(stop - start, tensor.row_bytes)

    def _take(self, count: int) -> bytes:
        """Reads exactly `count` bytes of the header."""
        self._require(count, f"{count} bytes are needed")
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
            raise ModelFileError(
                f"{self.path}: a string in the metadata is not UTF-8: {error.reason} at byte {error.start}."
            ) from error

    def _value(self, kind: int) -> MetadataValue:
        if kind == _STRING:
            return self._string()
        if kind in _SCALARS:
            return self._scalar(_SCALARS[kind])
        if kind == _ARRAY:
            element, count = int(self._scalar("I")), self._count()
            if element == _STRING:
                return [self._string() for _ in range(self._items(count, 8))]
            if element in _SCALARS:
                code = _SCALARS[element]
                size = struct.calcsize(code)
                return list(struct.unpack(f"<{self._items(count, size)}{code}", self._take(count * size)))
            kind = element
        raise ModelFileError(f"{self.path}: a metadata value has the unknown type {kind}.")

    def _items(self, count: int, size: int) -> int:
        """The length of a list whose items take at least `size` bytes each, where the file can hold so many."""
        if count > self._items_left:
            raise ModelFileError(
                f"{self.path}: the lists in the metadata have {count:,} items; {MOST_LIST_ITEMS:,} are the most.",
                hint="Fetch the file again.",
            )
        self._items_left -= count
        return self._bounded(count, size, "items of a list")

    def _bounded(self, count: int, size: int, what: str) -> int:
        """A count of what takes at least `size` bytes each. Raises ModelFileError: the file cannot hold so many."""
        self._require(count * size, f"it says that {count} {what} follow")
        return count

    def _require(self, count: int, needed: str) -> None:
        """Raises ModelFileError: the header ends in less than `count` bytes."""
        position = self._file.tell()
        if count <= self._end - position:
            return
        if self._end < self.size:
            raise ModelFileError(
                f"{self.path}: the header takes more than {self._end:,} bytes, as no known model's does ({needed}).",
                hint="Fetch the file again.",
            )
        raise ModelFileError(
            f"{self.path} is truncated or corrupt: {needed} at offset {position}, but the file ends at {self.size}.",
            hint="Fetch the file again.",
        )

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
        for count, most, what in (
            (tensor_count, MOST_TENSORS, "tensors"),
            (value_count, MOST_VALUES, "metadata values"),
        ):
            if count > most:
                raise ModelFileError(f"{self.path} says that it has {count} {what}; {most} are the most.")
        metadata: dict[str, MetadataValue] = {}
        for _ in range(self._bounded(value_count, _LEAST_VALUE_BYTES, "metadata values")):
            key = self._string()
            if key in metadata:
                raise ModelFileError(f"{self.path} has the metadata key {shown(key)} twice.")
            metadata[key] = self._value(int(self._scalar("I")))
        infos = [self._tensor_info() for _ in range(self._bounded(tensor_count, _LEAST_INFO_BYTES, "tensors"))]
        return metadata, self._placed(infos, _alignment(self.path, metadata))

    def _tensor_info(self) -> GgufTensor:
        name, dimensions = self._string(), int(self._scalar("I"))
        if not 1 <= dimensions <= MOST_DIMENSIONS:
            raise ModelFileError(f"{self.path}: the tensor {shown(name)} has {dimensions} dimensions.")
        shape = tuple(reversed([self._count() for _ in range(dimensions)]))
        number, offset = int(self._scalar("I")), self._count()
        try:
            kind = GGMLQuantizationType(number)
        except ValueError as error:
            raise UnsupportedModelError(
                f"{self.path}: the tensor {shown(name)} has the unknown type {number}.",
                hint="Use a GGUF file with another quantisation, such as Q8_0, Q4_1 or Q4_K.",
            ) from error
        block, block_bytes = GGML_QUANT_SIZES[kind]
        if 0 in shape or shape[-1] % block:
            raise ModelFileError(
                f"{self.path}: the tensor {shown(name)} has the impossible shape {shape} for {kind.name}."
            )
        return GgufTensor(name, kind, shape, offset, shape[-1] // block * block_bytes)

    def _placed(self, infos: list[GgufTensor], alignment: int) -> dict[str, GgufTensor]:
        """By name, with offsets from the start of the file; no byte of it belongs to two tensors."""
        start = -(-self._file.tell() // alignment) * alignment
        tensors = {info.name: replace(info, offset=start + info.offset) for info in infos}
        if len(tensors) != len(infos):
            raise ModelFileError(f"{self.path} has {len(infos) - len(tensors)} tensors twice.")
        ordered = sorted(tensors.values(), key=lambda tensor: tensor.offset)
        for tensor in ordered:
            if tensor.offset % alignment:
                raise ModelFileError(
                    f"{self.path}: the tensor {shown(tensor.name)} does not begin at a multiple of {alignment} bytes.",
                    hint="Fetch the file again.",
                )
            if tensor.offset + tensor.bytes > self.size:
                raise ModelFileError(
                    f"{self.path} is truncated: the tensor {shown(tensor.name)} ends at "
                    f"{tensor.offset + tensor.bytes}, but the file at {self.size}.",
                    hint="Fetch the file again.",
                )
        for one, other in pairwise(ordered):
            if one.offset + one.bytes > other.offset:
                raise ModelFileError(
                    f"{self.path}: the tensors {shown(one.name)} and {shown(other.name)} lie over each other.",
                    hint="Fetch the file again.",
                )
        return tensors


def _alignment(path: Path, metadata: dict[str, MetadataValue]) -> int:
    alignment = metadata.get("general.alignment", DEFAULT_ALIGNMENT)
    # A power of two, as llama.cpp has it.
    if not isinstance(alignment, int) or isinstance(alignment, bool) or alignment < 1 or alignment & (alignment - 1):
        raise ModelFileError(f"{path}: `general.alignment` must be a power of two.")
    return alignment
