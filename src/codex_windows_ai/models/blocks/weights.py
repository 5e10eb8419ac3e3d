"""What a block asks of a model file: matrices and vectors, by the names that they have in the graph."""

from __future__ import annotations

from dataclasses import dataclass


def weight_name(part: str, layer: int | None) -> str:
    """The name in the graph of a layer's weight, or with None of one outside the layers."""
    return part if layer is None else f"layers.{layer}.{part}"


@dataclass(frozen=True, slots=True)
class Vector:
    """A float32 vector: a norm's weight, or the bias of a product (`part` then ends in `.bias`)."""

    part: str
    layer: int | None
    size: int
    head_size: int = 1
    """Elements that may change places among themselves, where a file stores heads in another order."""
    taps: int = 0
    """With it a file holds so many numbers for each element, [size, taps], and the graph [taps, size]."""

    @property
    def name(self) -> str:
        """Its name in the graph."""
        return weight_name(self.part, self.layer)


@dataclass(frozen=True, slots=True)
class Matrix:
    """A weight matrix [rows, columns].

    Quantised, it is the initializers `.codes`, `.scales`, `.zero_points` behind its name; with one scale a row also
    `.rows` (the codes again, [rows, columns]) and `.row_scales`. In float32 it is its name alone.
    """

    part: str
    layer: int | None
    rows: int
    columns: int
    norm: Vector | None = None
    """The norm that it reads, with which it shares smoothing factors (`convert.calibration`)."""
    bias: Vector | None = None
    head_size: int = 1
    """Rows that may change places among themselves, where a file stores heads in another order."""
    chooses: bool = False
    """What it gives decides, and is not added up: which expert reads, what a state keeps. It stays in float32."""

    @property
    def name(self) -> str:
        """Its name in the graph."""
        return weight_name(self.part, self.layer)


@dataclass(frozen=True, slots=True)
class Experts:
    """A matrix [rows, columns] of each expert of a layer: together [experts, rows, columns].

    Of two `members`, which are parts in the file, the rows take turns. Its initializers, named behind its own name:
    `.codes` and `.scales`, or `.values`, and `.bias` float32 [experts, rows].
    """

    part: str
    members: tuple[str, ...]
    layer: int
    count: int
    rows: int
    """Of an expert, of all members together."""
    columns: int
    biased: bool = False

    @property
    def name(self) -> str:
        """Its name in the graph."""
        return weight_name(self.part, self.layer)

    @property
    def size(self) -> int:
        """Numbers in it."""
        return self.count * self.rows * self.columns
